"""How often a loop runs, where its condition compares a counter with what is known before the first iteration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.ir.dim import Dim, ceildiv, less_equal, maximum, minimum
from isthmus.ir.graph import Value
from isthmus.ir.types import I64, DType, TensorType


@dataclass(frozen=True)
class Count:
    """A loop variable that is start + step * iteration."""

    dtype: DType
    start: Dim
    step: int

    @property
    def type(self) -> TensorType:
        """The type of the variable."""
        return TensorType(self.dtype, ())

    def at(self, b: ImportBuilder, iteration: Value) -> Value:
        """The variable in an iteration, which is an i64 scalar."""
        value = iteration if self.step == 1 else b.mul(iteration, self.step)
        if self.start != 0:
            value = b.add(value, b.reshape(b.dims((self.start,)), shape=()))
        return value if self.dtype == I64 else b.cast(value, dtype=self.dtype)

    def after(self, b: ImportBuilder, trips: Dim) -> Value:
        """The variable after so many iterations."""
        value = b.reshape(b.dims((self.start + trips * self.step,)), shape=())
        return value if self.dtype == I64 else b.cast(value, dtype=self.dtype)


def count_of(b: ImportBuilder, start: Value, given: Value, after: Value) -> Count | None:
    """The count that a variable is, if an iteration only adds a positive constant to it and its start is known."""
    node = after.node
    if start.rank or not start.dtype.is_integer or node is None or node.op.name != "add" or given not in node.inputs:
        return None
    x, y = node.inputs
    step, first = b.numbers(y if x is given else x), b.sizes(start)
    if step is None or first is None or step.size != 1 or step.item() < 1:
        return None
    return Count(start.dtype, first[0], step.item())


def trip_count(b: ImportBuilder, condition: Value, counts: Mapping[Value, Count]) -> Dim | None:
    """How many iterations pass before the condition fails; None where that is not known before the first one."""
    node = condition.node
    if node is None:
        return None
    if node.op.name == "logical_and":
        both = [trip_count(b, v, counts) for v in node.inputs if not _holds(b, v)]
        known = [each for each in both if each is not None]
        return minimum(*known) if known and len(known) == len(both) else None
    if node.op.name not in ("less", "less_equal", "greater", "greater_equal"):
        return None
    x, y = node.inputs if node.op.name.startswith("less") else reversed(node.inputs)
    count, bound = counts.get(x), b.sizes(y)
    if count is None or bound is None:
        return None
    behind = bound[0] + 1 if node.op.name.endswith("equal") else bound[0]
    trips = ceildiv(behind - count.start, count.step)
    return trips if less_equal(0, trips) is True else maximum(trips, 0)


def _holds(b: ImportBuilder, value: Value) -> bool:
    known = b.numbers(value)
    return known is not None and bool(known.all())
