"""Graphs drawn from a rule's own pattern: what it covers, with captured values, constants and attributes filled in.

Operands that depend on one another come from `fitting`. Not every graph drawn is a match: conditions may refuse it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from isthmus.ir.builder import Builder
from isthmus.ir.errors import IsthmusError
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.op import Op, Trait
from isthmus.ir.types import BF16, BOOL, F16, F32, F64, I32, I64, U8, DType, TensorType
from isthmus.passes.pattern import AnyOf, Const, Maybe, Number, OpPattern, Pattern, Rest, Var
from isthmus.passes.rule import Rule
from tests.support.fitting import FITTING
from tests.support.graphs import SHAPES
from tests.support.opcases import attribute_values
from tests.support.picker import Misfit, Picker

_DTYPES: tuple[DType, ...] = (F32, F32, F32, F32, F16, BF16, F64, I64, I32, U8, BOOL)
_TELLING = (0.5, 2.0, 1e-5, 1 / 6, math.sqrt(2), math.sqrt(0.5), math.sqrt(2 / math.pi))
"""Numbers that laws look for."""


@st.composite
def instances(draw: st.DrawFn, rule: Rule) -> Graph | None:
    """A graph that looks like the rule's pattern; None where the parts drawn do not fit each other."""
    patterns = [option for options in rule.roots.values() for option in options]
    sketch = _Instance(draw)
    try:
        root = sketch.node(draw(st.sampled_from(patterns)))
    except (Misfit, IsthmusError):
        return None
    graph = root.graph
    assert graph is not None
    graph.set_outputs(root.results, [f"y{i}" for i in range(len(root.results))])
    return graph


class _Instance:
    """A graph while a pattern is filled in."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.b = Builder(Graph("instance"))
        self.rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
        self.dtype = draw(st.sampled_from(_DTYPES))
        self.shape = draw(st.sampled_from(SHAPES))
        self.captured: dict[str, Any] = {}
        self.nodes: dict[OpPattern, Node] = {}
        self.picker = Picker(draw, self.b, [], self.rng)

    def node(self, pattern: OpPattern) -> Node:
        """The node a pattern stands for, the same each time."""
        if pattern.node not in self.nodes:
            self.nodes[pattern.node] = self.make(pattern)
        return self.nodes[pattern.node]

    def make(self, pattern: OpPattern) -> Node:
        """A new node, with operands and attributes."""
        op = pattern.op
        operands: list[Value | None] = [None] * len(pattern.operands)
        deep = [i for i, p in enumerate(pattern.operands) if p is not None and _is_deep(p)]
        for i in deep:
            operands[i] = self.value(pattern.operands[i], None)
        if operands and 0 not in deep:
            lead = self.type_for(op, 0, operands[deep[0]] if deep else None)
            operands[0] = self.value(pattern.operands[0], lead)
        others, attrs = self.fitted(op, operands[0] if operands else None)
        for i in range(1, len(operands)):
            if i not in deep and not isinstance(pattern.operands[i], Rest):
                near = others[i - 1] if i <= len(others) else None
                operands[i] = self.value(pattern.operands[i], near or self.type_for(op, i, operands[0]))
        if operands and isinstance(pattern.operands[-1], Rest):
            operands[-1:] = self.rest(pattern.operands[-1], others)
        return self.b.create(op, operands, self.attributes(pattern, operands, attrs))

    def value(self, pattern: Pattern | None, near: Value | TensorType | None) -> Value | None:
        """What a pattern stands for, of the type of `near` where it is free; constants may be `near` itself."""
        match pattern:
            case OpPattern():
                results = self.node(pattern).results
                if pattern.index >= len(results):
                    raise Misfit
                return results[pattern.index]
            case AnyOf():
                return self.value(self.draw(st.sampled_from(pattern.options)), near)
            case Maybe():
                return self.value(pattern.inner, near) if self.draw(st.booleans()) else None
            case Number():
                return self.b.const(pattern.number, self.type_near(near).dtype)
            case Const():
                found: Value = self.capture(pattern.var.name, lambda: self.constant(near))
                return found
            case Var():
                return self.input_called(pattern.name, near)
        return None

    def capture(self, name: str, make: Callable[[], Any]) -> Any:
        """What `name` stands for already, or what `make` makes."""
        if name not in self.captured:
            self.captured[name] = make()
        return self.captured[name]

    def type_near(self, near: Value | TensorType | None) -> TensorType:
        """The type asked for, or the one drawn for this graph."""
        found = near.type if isinstance(near, Value) else near
        return found or TensorType(self.dtype, self.shape)

    def input(self, near: Value | TensorType | None) -> Value:
        """A new input."""
        return self.b.graph.add_input(self.type_near(near), f"x{len(self.b.graph.inputs)}")

    def constant(self, near: Value | TensorType | None) -> Value:
        """A constant that fits: a telling number, or something that broadcasts."""
        if isinstance(near, Value) and near.constant is not None:
            return near
        type = self.type_near(near)
        if type.dtype.is_float and self.draw(st.booleans()):
            return self.b.const(self.draw(st.sampled_from(_TELLING)), type.dtype)
        shape = tuple(d if self.draw(st.booleans()) else 1 for d in type.shape)
        cut = self.draw(st.integers(0, len(shape)))
        return self.picker.const(type.dtype, *shape[cut:], positive=type.dtype.is_float)

    def type_for(self, op: Op, index: int, beside: Value | None) -> TensorType:
        """A type for operand `index`: that of another operand, or one that broadcasts with it."""
        among = op.operand(index).among
        base = beside.type if beside is not None else TensorType(self.dtype, self.shape)
        dtype = base.dtype
        if dtype not in among.dtypes:
            dtype = self.picker.dtype(among.dtypes)
        shape = base.shape
        if op.has(Trait.ELEMENTWISE) and beside is not None and self.draw(st.booleans()):
            shape = tuple(d if self.draw(st.booleans()) else 1 for d in shape)[self.draw(st.integers(0, len(shape))) :]
        return TensorType(dtype, shape)

    def fitted(self, op: Op, x: Value | None) -> tuple[list[Value | None], dict[str, Any]]:
        """Other operands and attributes that suit the first operand."""
        if x is None or op.name not in FITTING:
            return [], {}
        return FITTING[op.name](Picker(self.draw, self.b, [x], self.rng), x)

    def input_called(self, name: str, near: Value | TensorType | None) -> Value:
        """The input that `name` stands for."""
        found: Value = self.capture(name, lambda: self.input(near))
        return found

    def rest(self, pattern: Rest, others: list[Value | None]) -> list[Value | None]:
        """The operands that are left of a variadic op."""
        made = [self.input(v) for v in (others or [None]) if v is not None or not others]
        return list(self.capture(pattern.name, lambda: tuple(made)))

    def attributes(self, pattern: OpPattern, operands: list[Value | None], fitted: dict[str, Any]) -> dict[str, Any]:
        """Attributes as the pattern has them; those it leaves open by what suits, or by their names."""
        op, given = pattern.op, pattern.attrs
        rank = next((v.rank for v in operands if v is not None), 0)
        free = {n: v for n, v in given.items() if isinstance(v, Var)}
        chosen = {n: v for n, v in given.items() if not isinstance(v, Var)}
        for name, var in free.items():
            chosen[name] = self.capture(var.name, partial(self.attribute, op, name, rank, fitted))
        if pattern.rest is not None:
            open_ = [name for name in op.attributes if name not in given]
            chosen |= self.capture(
                pattern.rest.name, lambda: {name: self.attribute(op, name, rank, fitted) for name in open_}
            )
        return chosen

    def attribute(self, op: Op, name: str, rank: int, fitted: dict[str, Any]) -> Any:
        """A value for one attribute."""
        if name in fitted:
            return fitted[name]
        return self.picker.among(attribute_values(op.attributes[name], rank))


def _is_deep(pattern: Pattern) -> bool:
    match pattern:
        case OpPattern():
            return True
        case AnyOf():
            return any(map(_is_deep, pattern.options))
        case Maybe():
            return _is_deep(pattern.inner)
    return False
