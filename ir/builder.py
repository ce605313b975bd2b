"""Builds nodes in place: `b.add(x, 1.0)` appends an add to the graph and returns its result.

There is a method for each op in the table. Python numbers and numpy arrays given as operands become constants of
the element type the op's other operands have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from isthmus.ir import ops
from isthmus.ir.constant import Constant
from isthmus.ir.dim import UNKNOWN, Dim, symbol
from isthmus.ir.errors import IRError, TypeRuleError
from isthmus.ir.graph import Graph, Loc, Node, Value
from isthmus.ir.op import Op
from isthmus.ir.op_methods import OpMethods
from isthmus.ir.types import BOOL, F32, I64, Array, DType, TensorType

Liftable: TypeAlias = Value | Array | float | int | bool
"""What may stand where an operand is expected."""


class FreshSymbols:
    """Names for sizes that only running can tell: `u0`, `u1`, ..., none of them taken in the graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._next: int | None = None

    def take(self) -> Dim:
        """A symbol (size 0 or more) that the graph does not have yet."""
        if self._next is None:
            self._next = 1 + max(self._taken(), default=-1)
        name = f"u{self._next}"
        self._next += 1
        return symbol(name, 0)

    def _taken(self) -> Iterator[int]:
        values = [*self._graph.inputs, *(r for node in self._graph.walk() for r in node.results)]
        for value in values:
            for each in value.type.symbols():
                if match := re.fullmatch(r"u(\d+)", each.name):
                    yield int(match[1])


class Builder(OpMethods):
    """Appends nodes to a graph, or inserts them before a given node.

    `loc` and `origin` are given to every node made; a region's body is built by the builder that `region` returns.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        before: Node | None = None,
        loc: Loc | None = None,
        origin: tuple[str, ...] = (),
        fresh: FreshSymbols | None = None,
    ) -> None:
        self.graph = graph
        self.before = before
        self.loc = loc
        self.origin = origin
        self.fresh = fresh or FreshSymbols(graph)

    def create(
        self,
        op: Op | str,
        operands: Sequence[Liftable | None] = (),
        attrs: Mapping[str, Any] | None = None,
        regions: Mapping[str, Graph] | None = None,
        names: Sequence[str] = (),
    ) -> Node:
        """Insert a node; checks operands and attributes and infers its types. Raises TypeRuleError."""
        op = ops.find(op) if isinstance(op, str) else op
        values = self._lift(op, operands)
        while values and values[-1] is None:
            values.pop()
        bound = op.bind_attributes(attrs or {})
        held = dict(regions or {})
        if missing := set(op.regions) ^ set(held):
            raise TypeRuleError(f"{op.name}: regions must be {list(op.regions)}, see {sorted(missing)}")
        inferred = op.infer_types([None if v is None else v.type for v in values], bound, held)
        types = [self._settle(t) for t in inferred]
        node = Node(op, values, bound, held, types, names, self.loc, self.origin)
        return self.graph.insert(node, self.before)

    def const(self, value: Array | float | int | bool | Constant, dtype: DType | None = None, name: str = "") -> Value:
        """A constant. Python numbers become f32, i64 or bool unless `dtype` says otherwise."""
        return self.create("const", attrs={"data": make_constant(value, dtype)}, names=(name,)).result

    def dims(self, dims: Sequence[Dim]) -> Value:
        """An i64 vector of dimensions: a constant where all are numbers."""
        if all(isinstance(d, int) for d in dims):
            return self.const(np.array(dims, np.int64))
        return self.create("dims", attrs={"dims": tuple(dims)}).result

    def region(self, *inputs: TensorType, name: str = "") -> tuple[Builder, tuple[Value, ...]]:
        """A builder for a new region's body, and the body's inputs."""
        body = Graph(name)
        values = tuple(body.add_input(t) for t in inputs)
        return Builder(body, loc=self.loc, origin=self.origin, fresh=self.fresh), values

    @contextmanager
    def at(self, loc: Loc | None) -> Iterator[None]:
        """Give nodes made inside the block this location."""
        saved, self.loc = self.loc, loc
        try:
            yield
        finally:
            self.loc = saved

    def _settle(self, type: TensorType) -> TensorType:
        if UNKNOWN not in type.shape:
            return type
        return type.with_shape(self.fresh.take() if d == UNKNOWN else d for d in type.shape)

    def _lift(self, op: Op, operands: Sequence[Liftable | None]) -> list[Value | None]:
        if all(isinstance(v, Value) for v in operands):
            return list(operands)  # type: ignore[arg-type]
        if len(operands) > len(op.operands) and not (op.operands and op.operands[-1].variadic):
            raise TypeRuleError(f"{op.name}: takes {len(op.operands)} operands, got {len(operands)}")
        dtypes = {op.operand(i).among.name: v.dtype for i, v in enumerate(operands) if isinstance(v, Value)}
        return [
            v if v is None or isinstance(v, Value) else self.const(v, dtypes.get(op.operand(i).among.name))
            for i, v in enumerate(operands)
        ]


def make_constant(value: Array | float | int | bool | Constant, dtype: DType | None = None) -> Constant:
    """A Constant from an array or a Python number; IRError where `dtype` cannot hold an integer exactly."""
    if isinstance(value, Constant):
        return value
    if not isinstance(value, np.ndarray | np.generic):
        default = BOOL if isinstance(value, bool) else I64 if isinstance(value, int) else F32
        chosen = dtype or default
        if chosen.is_integer and not float(value).is_integer():
            raise IRError(f"{value} is no {chosen}")
        return Constant.of(_converted(np.array(value), chosen))
    array = np.asarray(value)
    return Constant.of(array if dtype is None else _converted(array, dtype))


def _converted(array: Array, dtype: DType) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):  # too large for a narrow float is an infinity there
        return array.astype(dtype.numpy)
