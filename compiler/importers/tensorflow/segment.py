"""Sums, means and extremes over the rows that share a segment number."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from isthmus.compiler.importers.lowering import Lowering, lowers
from isthmus.compiler.importers.tensorflow.args import reshaped, scalar
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.ir.dim import Dim, product
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import DType

_UNSORTED = {
    "UnsortedSegmentSum": "add",
    "UnsortedSegmentProd": "mul",
    "UnsortedSegmentMax": "max",
    "UnsortedSegmentMin": "min",
}
_SORTED = {"SegmentSum": "add", "SegmentProd": "mul", "SegmentMax": "max", "SegmentMin": "min"}


def _unsorted(source: str, reduction: str) -> Lowering:
    @lowers(source)
    def lower(b: TfBuilder, x: Value, ids: Value, count: Value) -> Value:
        """Rows with a negative number count for nothing."""
        return _combined(b, x, ids, _count(b, count), reduction)

    return lower


def _sorted(source: str, reduction: str) -> Lowering:
    @lowers(source)
    def lower(b: TfBuilder, x: Value, ids: Value) -> Value:
        """Segments without rows are zeros, products ones."""
        count = _constant_count(b, ids, source)
        found = _combined(b, x, ids, count, reduction)
        if reduction in ("add", "mul"):
            return found
        rows = _combined(b, b.full(b.const(1, x.dtype), shape=ids.shape), ids, count, "add")
        used = b.reshape(b.greater(rows, 0), shape=(count, *[1] * (x.rank - 1)))
        return b.where(used, found, b.const(0, x.dtype))

    return lower


unsorted = tuple(_unsorted(*row) for row in _UNSORTED.items())
ordered = tuple(_sorted(*row) for row in _SORTED.items())


@lowers("SegmentMean")
def segment_mean(b: TfBuilder, x: Value, ids: Value) -> Value:
    return _mean(b, x, ids, _constant_count(b, ids, "SegmentMean"))


@lowers("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN")
def sparse_segment(b: TfBuilder, x: Value, indices: Value, ids: Value, *, sparse_gradient: bool = False) -> Value:
    return _of_rows(b, x, indices, ids, _constant_count(b, ids, b.node.op))


@lowers("SparseSegmentSumWithNumSegments", "SparseSegmentMeanWithNumSegments", "SparseSegmentSqrtNWithNumSegments")
def sparse_segment_of_count(
    b: TfBuilder, x: Value, indices: Value, ids: Value, count: Value, *, sparse_gradient: bool = False
) -> Value:
    return _of_rows(b, x, indices, ids, _count(b, count))


def _of_rows(b: TfBuilder, x: Value, indices: Value, ids: Value, count: Dim) -> Value:
    """The rows of x that `indices` name, combined by segment as the op's name says."""
    rows, op = b.gather(x, indices, axis=0), b.node.op
    if op.startswith("SparseSegmentSum"):
        return _combined(b, rows, ids, count, "add")
    return _mean(b, rows, ids, count, by_root=op.startswith("SparseSegmentSqrtN"))


def _mean(b: TfBuilder, x: Value, ids: Value, count: Dim, by_root: bool = False) -> Value:
    """The sum of each segment, divided by the number of its rows or by the square root of that."""
    rows = _combined(b, b.full(b.const(1, x.dtype), shape=ids.shape), ids, count, "add")
    least = b.reshape(b.maximum(rows, 1), shape=(count, *[1] * (x.rank - 1)))
    return b.div(_combined(b, x, ids, count, "add"), b.sqrt(least) if by_root else least)


def _count(b: TfBuilder, count: Value) -> Dim:
    known = b.sizes(scalar(b, count))
    if known is None:
        raise UnsupportedModel(f"{b.node.op}: the number of segments must depend on nothing but input shapes")
    return known[0]


def _combined(b: TfBuilder, x: Value, ids: Value, count: Dim, reduction: str) -> Value:
    """One more row takes what has no segment, and is cut off."""
    rest = x.shape[ids.rank :]
    rows = product(ids.shape)
    flat = reshaped(b, x, (rows, *rest))
    places = b.reshape(ids, shape=(rows, 1))
    spare = b.cast(b.reshape(b.dims((count,)), shape=()), dtype=ids.dtype)
    safe = b.where(b.less(places, 0), spare, places)
    start = b.const(_neutral(reduction, x.dtype))
    made = b.scatter_nd(b.full(start, shape=(count + 1, *rest)), safe, flat, reduction=reduction)  # type: ignore[arg-type]
    return b.slice(made, axes=(0,), starts=(0,), stops=(count,), steps=(1,))


def _neutral(reduction: str, dtype: DType) -> np.ndarray[tuple[()], np.dtype[np.generic]]:
    numpy = dtype.numpy
    if reduction in ("add", "mul"):
        return np.array(int(reduction == "mul"), numpy)
    if dtype.is_float:
        finite = ml_dtypes.finfo(numpy)
        return np.array(finite.min if reduction == "max" else finite.max, numpy)
    info = np.iinfo(numpy)
    return np.array(info.min if reduction == "max" else info.max, numpy)


def _constant_count(b: TfBuilder, ids: Value, what: str) -> int:
    known = b.numbers(ids)
    if known is None or not known.size:
        raise UnsupportedModel(f"{what}: the segment numbers must be constant", hint="use an unsorted segment op")
    return int(known.max()) + 1
