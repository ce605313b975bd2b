"""The different elements, or slices, of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import normal_axis
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.recurrence import over_time
from isthmus.compiler.importers.runs import before, runs
from isthmus.compiler.importers.values import in_dtype
from isthmus.ir.dim import Dim, product
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, I32, I64

_Values: TypeAlias = Sequence[Value]


@lowers("Unique", since=11)
def unique(
    b: OnnxBuilder, x: Value, *, axis: int | None = None, sorted: bool = True
) -> tuple[Value, Value, Value, Value]:
    """Y, where each element of it occurs first, for each element of x which one of Y it is, how often each occurs.

    Elements of x are slices along `axis`, or numbers without one. Every NaN is like another, and is greatest, as in
    numpy.unique of numbers, to which ONNX refers.
    """
    axis = None if axis is None else normal_axis(axis, x.rank)
    whole = b.reshape(x, shape=(x.type.numel(),)) if axis is None else x
    at = axis or 0
    n, width = whole.shape[at], product(d for i, d in enumerate(whole.shape) if i != at)
    front = whole if at == 0 else b.transpose(whole, perm=(at, *(i for i in range(whole.rank) if i != at)))
    rows = b.reshape(in_dtype(b, front, I32) if x.dtype == BOOL else front, shape=(n, width))
    order = _ascending(b, rows)
    found = runs(b, _differs(b, b.gather(rows, order, axis=0)))
    first = b.gather(order, found.starts, axis=0)
    inverse = b.scatter_elements(b.full(b.const(0), shape=(n,)), order, found.groups, axis=0)
    counts = found.counts
    if not sorted:
        turn = _turns(b, first, n)
        places = b.iota(dtype=I64, shape=first.shape, axis=0)
        group = b.scatter_elements(b.full(b.const(0), shape=first.shape), turn, places, axis=0)
        first, counts, inverse = (
            b.gather(x, at, axis=0) for x, at in ((first, group), (counts, group), (turn, inverse))
        )
    return b.gather(whole, first, axis=at), first, inverse, counts


def _ascending(b: OnnxBuilder, rows: Value) -> Value:
    """The order [n] that sorts rows [n, width], equal ones as they stand: by the last column first, as radix sort."""

    def turn(inner: ImportBuilder, state: _Values, elements: _Values, _: _Values) -> tuple[_Values, _Values]:
        so_far, column = state[0], elements[0]
        ordered = inner.topk(inner.gather(column, so_far, axis=0), k=column.shape[0], axis=0, largest=False)
        return [inner.gather(so_far, ordered[1], axis=0)], []

    columns = b.reverse(b.transpose(rows, perm=(1, 0)), axes=(0,))
    (order,), _ = over_time(b, turn, [b.iota(dtype=I64, shape=rows.shape[:1], axis=0)], [columns])
    return order


def _turns(b: OnnxBuilder, first: Value, n: Dim) -> Value:
    """Of different places [U] below n, how many are before each: no sorting, which engines do not do with i64."""
    ones = b.full(b.const(1), shape=first.shape)
    taken = b.scatter_elements(b.full(b.const(0), shape=(n,)), first, ones, axis=0)
    return b.gather(b.cumsum(taken, axis=0, exclusive=True), first, axis=0)


def _differs(b: OnnxBuilder, rows: Value) -> Value:
    """Whether each of rows [n, width] differs from the one before."""
    earlier = before(b, rows)
    apart = b.not_equal(rows, earlier)
    if rows.dtype.is_float:
        apart = b.logical_and(apart, b.logical_not(b.logical_and(b.is_nan(rows), b.is_nan(earlier))))
    return b.reduce_any(apart, axes=(1,))
