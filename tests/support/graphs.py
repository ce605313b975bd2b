"""Random well-typed graphs, drawn from the op table.

Each node is a row of the table on values the graph already has, or on small constants that fit. What fits is decided
in three steps: `fitting` where an op's operands depend on one another (a convolution's weight on its input), the
signature alone for all others (element types from each operand's `Among`, attributes from their names), and where
neither leads to a node the type rule admits, a ready case of `opcases` on what the graph has, cut to size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from isthmus.ir import ops
from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim, symbol
from isthmus.ir.errors import IsthmusError
from isthmus.ir.graph import Graph, Value
from isthmus.ir.op import Op
from isthmus.ir.types import BOOL, F16, F32, I32, I64, Array, DType, TensorType
from tests.support.fitting import FITTING, TAME
from tests.support.opcases import Case, attribute_values, cases_for, within
from tests.support.picker import Misfit, Picker

N = symbol("N", 1, 8)

DTYPES: tuple[DType, ...] = (F32, F32, F32, F32, F32, I64, I32, BOOL, F16)
SHAPES: tuple[tuple[Dim, ...], ...] = (
    (2, 3, 4), (N, 3, 4), (3, 4), (N, 4), (4,), (), (1, 3, 1), (2, 4, 5, 5), (N, 4, 6, 6), (2, 3, 7),
)  # fmt: skip

COMMON: tuple[str, ...] = (
    *("add", "mul", "sub", "div", "relu", "sigmoid", "tanh", "clip", "exp", "sqrt", "cast", "where", "neg"),
    *("conv", "batch_norm", "matmul", "linear", "softmax", "reshape", "transpose", "concat", "slice", "split"),
    *("reduce_mean", "reduce_sum", "gather", "expand", "pad", "max_pool", "avg_pool", "shape_of", "layer_norm"),
)
"""Ops that laws are written about: drawn as often as all others together, so that patterns come about."""

_LARGEST = 4096


def graphs(most: int = 12, rows: Sequence[str] = ()) -> st.SearchStrategy[Graph]:
    """Graphs of one to three inputs and `most` drawn nodes at most, not counting constants and adapters.

    Every op of the table can occur; with `rows` those ops alone. Outputs are the values nobody uses, save some that
    are left dead.
    """
    names = st.sampled_from(rows) if rows else st.sampled_from(COMMON) | st.sampled_from(tuple(ops.TABLE))
    return _graphs(most, names)


@st.composite
def _graphs(draw: st.DrawFn, most: int, names: st.SearchStrategy[str]) -> Graph:
    sketch = _Sketch(draw, names)
    for i in range(draw(st.integers(1, 3))):
        dtype, shape = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(SHAPES))
        sketch.values.append(sketch.b.graph.add_input(TensorType(dtype, shape), f"x{i}"))
    for _ in range(draw(st.integers(1, most))):
        sketch.grow()
    return sketch.finish()


class _Sketch:
    """A graph while it is drawn."""

    def __init__(self, draw: st.DrawFn, names: st.SearchStrategy[str]) -> None:
        self.draw = draw
        self.names = names
        self.b = Builder(Graph("random"))
        self.values: list[Value] = []
        self.rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))

    def grow(self) -> None:
        """Append one drawn node, with what it needs."""
        name = self.draw(self.names)
        try:
            results = self.fit(ops.TABLE[name])
        except (Misfit, IsthmusError):
            self.forget()
            results = self.graft(name)
        self.values += results

    def forget(self) -> None:
        """Erase what an attempt that came to nothing has left."""
        for node in self.b.graph.nodes_reversed:
            if any(result in self.values for result in node.results):
                return
            self.b.graph.erase(node)

    def finish(self) -> Graph:
        """The graph, with outputs."""
        made = [v for v in self.values if v.node is not None]
        unused = [v for v in made if not v.use_count] or self.values[-1:]
        kept = [v for v in unused if self.draw(st.integers(0, 5))] or unused[:1]
        again = [v for v in made if v.use_count][-1:] if self.draw(st.booleans()) else []
        outputs = [*kept, *again]
        self.b.graph.set_outputs(outputs, [f"y{i}" for i in range(len(outputs))])
        return self.b.graph

    def fit(self, op: Op) -> tuple[Value, ...]:
        """A node of the op on values that are here; Misfit or TypeRuleError where there is none."""
        picker = Picker(self.draw, self.b, self.values, self.rng)
        addresses = any(operand.among.name == "index" for operand in op.operands)
        if op.regions or (op.name not in FITTING and addresses):
            raise Misfit
        operands: list[Value | None] = []
        attrs: dict[str, Any] = {}
        if op.operands:
            x = picker.value(op.operands[0].among.dtypes)
            if op.name in TAME and self.draw(st.integers(0, 7)):
                x = TAME[op.name](self.b, x)
            others, attrs = FITTING[op.name](picker, x) if op.name in FITTING else (self.others(op, x, picker), {})
            operands = [x, *others]
        rank = operands[0].rank if operands and operands[0] is not None else 3
        for name, spec in op.attributes.items():
            if name in attrs:
                continue
            if not (choices := attribute_values(spec, rank)):
                raise Misfit
            attrs[name] = self.draw(st.sampled_from(choices))
        return self.checked(op.name, operands, attrs)

    def others(self, op: Op, x: Value, picker: Picker) -> list[Value | None]:
        """Operands after the first one, by the signature: each present value that broadcasts, or a constant."""
        group, found = op.operands[0].among, list[Value | None]()
        specs = list(op.operands[1:])
        if op.operands[-1].variadic:
            specs += [op.operands[-1]] * self.draw(st.integers(0, 2))
        for i, spec in enumerate(specs, 1):
            if spec.optional and self.draw(st.booleans()):
                found.append(None)
                continue
            dtype = x.dtype if spec.among.name == group.name else picker.dtype(spec.among.dtypes)
            found.append(picker.beside(x, dtype, partial(within, op, i), op.name in _UNDEFINED))
        return found

    def graft(self, name: str) -> tuple[Value, ...]:
        """A ready case of the op, on values that are here where one can be cut to the size the case wants."""
        case = self.draw(st.sampled_from(_ready(name)))
        endless = name == "loop" and case.operands[0] is None  # on other values it might be
        operands = [
            None if a is None else self._adapted(a, endless or i in case.constant) for i, a in enumerate(case.operands)
        ]
        return self.b.create(name, operands, case.attrs, {k: r.copy() for k, r in case.regions.items()}).results

    def _adapted(self, array: Array, constant: bool) -> Value:
        fitting = [v for v in self.values if v.dtype == F32 == _f32(array) and v.type.is_static and v.type.numel()]
        if constant or not fitting or not array.size or not self.draw(st.integers(0, 3)):
            return self.b.const(array)
        value = self.draw(st.sampled_from(fitting))
        have, want = int(value.type.numel()), array.size  # type: ignore[arg-type]  # static, by the condition above
        if value.shape == array.shape:
            return value
        flat = self.b.reshape(value, shape=(have,))
        if have < want:
            flat = self.b.tile(flat, repeats=(-(-want // have),))
        if int(flat.shape[0]) > want:  # type: ignore[arg-type]
            flat = self.b.slice(flat, axes=(0,), starts=(0,), stops=(want,), steps=(1,))
        return self.b.reshape(flat, shape=array.shape)

    def checked(self, name: str, operands: list[Value | None], attrs: dict[str, Any]) -> tuple[Value, ...]:
        """The node's results; Misfit where they would grow too large."""
        results = self.b.create(name, operands, attrs).results
        if any(isinstance(n := r.type.numel(), int) and n > _LARGEST for r in results):
            raise Misfit
        return results


_UNDEFINED = frozenset(("trunc_div", "floor_div", "mod", "fmod", "shift_left", "shift_right", "pow"))
"""Ops with second operands for which nothing is promised (zero, negative): those operands are constants."""


def _f32(array: Array) -> DType | None:
    return F32 if array.dtype == np.float32 else None


@cache
def _ready(name: str) -> tuple[Case, ...]:
    return tuple(c for c in cases_for(ops.TABLE[name]) if not c.symbolic and c.note != "hostile")
