"""Sums, means and extremes over the rows that share a segment number."""

from __future__ import annotations

import math

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
        known = b.sizes(scalar(b, count))
        if known is None:
            raise UnsupportedModel(f"{source}: the number of segments must depend on nothing but input shapes")
        return _combined(b, x, ids, known[0], reduction)

    return lower


def _sorted(source: str, reduction: str) -> Lowering:
    @lowers(source)
    def lower(b: TfBuilder, x: Value, ids: Value) -> Value:
        """Segments without rows are zeros."""
        count = _constant_count(b, ids, source)
        found = _combined(b, x, ids, count, reduction)
        if reduction == "add":
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


@lowers("SparseSegmentSum")
def sparse_segment_sum(b: TfBuilder, x: Value, indices: Value, ids: Value) -> Value:
    count = _constant_count(b, ids, "SparseSegmentSum")
    return _combined(b, b.gather(x, indices, axis=0), ids, count, "add")


@lowers("SparseSegmentMean")
def sparse_segment_mean(b: TfBuilder, x: Value, indices: Value, ids: Value) -> Value:
    return _mean(b, b.gather(x, indices, axis=0), ids, _constant_count(b, ids, "SparseSegmentMean"))


def _mean(b: TfBuilder, x: Value, ids: Value, count: int) -> Value:
    rows = _combined(b, b.full(b.const(1, x.dtype), shape=ids.shape), ids, count, "add")
    least = b.reshape(b.maximum(rows, 1), shape=(count, *[1] * (x.rank - 1)))
    return b.div(_combined(b, x, ids, count, "add"), least)


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
        limit = float(np.finfo(np.float32).max) if dtype.bits == 32 else math.inf
        return np.array(-limit if reduction == "max" else limit, numpy)
    info = np.iinfo(numpy)
    return np.array(info.min if reduction == "max" else info.max, numpy)


def _constant_count(b: TfBuilder, ids: Value, what: str) -> int:
    known = b.numbers(ids)
    if known is None or not known.size:
        raise UnsupportedModel(f"{what}: the segment numbers must be constant", hint="use an unsorted segment op")
    return int(known.max()) + 1
