"""Ops that address elements by computed indices."""

from __future__ import annotations

import numpy as np

from isthmus.compiler.importers.lowering import Lowering, lowers
from isthmus.compiler.importers.tensorflow.args import axis_from, converted, limits, normal_axis, reshaped, scalar
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.ir.dim import product
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, F32, F64, I32, I64, Array, DType


@lowers("GatherV2")
def gather(b: TfBuilder, x: Value, indices: Value, axis: Value, *, batch_dims: int = 0) -> Value:
    """With batch dimensions, each row of indices picks from its own slice of x."""
    at = axis_from(b, axis, x.rank, "GatherV2")
    batch = batch_dims + indices.rank if batch_dims < 0 else batch_dims
    if not batch:
        return b.gather(x, indices, axis=at)
    if not batch <= at or batch > indices.rank:
        raise MalformedModel(f"GatherV2: {batch_dims} batch dimensions, axis {at}")
    front = b.transpose(x, perm=(*range(batch), at, *(i for i in range(batch, x.rank) if i != at)))
    places = b.reshape(indices, shape=(*indices.shape, 1))
    if batch == indices.rank:  # gather_nd wants an axis of its own for what each row picks
        places = b.reshape(indices, shape=(*indices.shape, 1, 1))
    found = b.gather_nd(front, places, batch_dims=batch)
    if batch == indices.rank:
        found = b.reshape(found, shape=(*found.shape[:batch], *found.shape[batch + 1 :]))
    moved = at - batch
    new = indices.rank - batch
    rest = found.rank - batch - new
    perm = (
        *range(batch),
        *(batch + new + i for i in range(moved)),
        *(batch + i for i in range(new)),
        *(batch + new + i for i in range(moved, rest)),
    )
    return found if perm == tuple(range(found.rank)) else b.transpose(found, perm=perm)


@lowers("Gather")
def gather_v1(b: TfBuilder, x: Value, indices: Value) -> Value:
    return b.gather(x, indices, axis=0)


@lowers("GatherNd")
def gather_nd(b: TfBuilder, x: Value, indices: Value) -> Value:
    return b.gather_nd(x, indices)


@lowers("ScatterNd")
def scatter_nd(b: TfBuilder, indices: Value, updates: Value, shape: Value) -> Value:
    """Zeros with the updates added."""
    known = b.sizes(shape)
    if known is None:
        raise UnsupportedModel("ScatterNd: the shape must depend on nothing but input shapes")
    if updates.dtype == BOOL:
        raise UnsupportedModel("ScatterNd of bool")
    zero = b.const(np.zeros((), updates.dtype.numpy))
    return b.scatter_nd(b.full(zero, shape=known), indices, updates, reduction="add")


def _tensor_scatter(source: str, reduction: str) -> Lowering:
    @lowers(source)
    def lower(b: TfBuilder, x: Value, indices: Value, updates: Value) -> Value:
        given = b.neg(updates) if source == "TensorScatterSub" else updates
        found: Value = b.scatter_nd(x, indices, given, reduction=reduction)  # type: ignore[arg-type]
        return found

    return lower


tensor_scatters = (
    _tensor_scatter("TensorScatterUpdate", "none"),
    _tensor_scatter("TensorScatterAdd", "add"),
    _tensor_scatter("TensorScatterSub", "add"),
    _tensor_scatter("TensorScatterMax", "max"),
    _tensor_scatter("TensorScatterMin", "min"),
)


@lowers("OneHot")
def one_hot(b: TfBuilder, indices: Value, depth: Value, on: Value, off: Value, *, axis: int = -1) -> Value:
    """An index outside 0..depth-1 has no element on."""
    count = b.sizes(scalar(b, depth))
    if count is None:
        raise UnsupportedModel("OneHot: depth must depend on nothing but input shapes")
    at = converted(b, indices, I64)
    pair = b.concat(b.reshape(off, shape=(1,)), b.reshape(on, shape=(1,)), axis=0)
    along = normal_axis(axis, indices.rank + 1)
    # The IR counts negative indices from the end; TensorFlow does not know them.
    kept = b.where(b.less(at, 0), b.reshape(b.dims(count), shape=()), at)
    return b.one_hot(kept, pair, depth=count[0], axis=along)


@lowers("Where")
def where(b: TfBuilder, condition: Value) -> Value:
    """The places of all elements that are not zero, a row each."""
    return b.transpose(b.non_zero(condition), perm=(1, 0))


@lowers("DynamicPartition")
def dynamic_partition(b: TfBuilder, x: Value, numbers: Value, *, num_partitions: int) -> tuple[Value, ...]:
    """The slices of x by the number each has. How long each part is, only running tells."""
    if not 1 <= num_partitions <= _MOST_PARTS:
        raise UnsupportedModel(f"DynamicPartition into {num_partitions} parts")
    rows = product(numbers.shape)
    flat, labels = reshaped(b, x, (rows, *x.shape[numbers.rank :])), reshaped(b, numbers, (rows,))
    parts = []
    for i in range(num_partitions):
        places = b.non_zero(b.equal(labels, i))
        parts.append(b.gather(flat, b.reshape(places, shape=places.shape[1:]), axis=0))
    return tuple(parts)


_MOST_PARTS = 4096


@lowers("DynamicStitch", "ParallelDynamicStitch")
def dynamic_stitch(b: TfBuilder, *operands: Value, n: int) -> Value:
    """Slices put where indices say; later ones win. Computed indices must name every place once."""
    indices, parts = operands[:n], operands[n:]
    if len(parts) != n or not parts:
        raise MalformedModel(f"DynamicStitch: {n} lists of indices, {len(parts)} of slices")
    counts = [product(index.shape) for index in indices]
    rows = [reshaped(b, x, (c, *x.shape[i.rank :])) for i, x, c in zip(indices, parts, counts, strict=True)]
    joined = b.concat(*rows, axis=0) if n > 1 else rows[0]
    known = [b.numbers(v) for v in indices]
    if all(each is not None for each in known):
        return _in_order(b, joined, np.concatenate([each.reshape(-1) for each in known if each is not None]))
    flat = [reshaped(b, v, (c, 1)) for v, c in zip(indices, counts, strict=True)]
    empty = b.full(b.const(np.zeros((), joined.dtype.numpy)), shape=joined.shape)
    return b.scatter_nd(empty, b.concat(*flat, axis=0) if n > 1 else flat[0], joined)


def _in_order(b: TfBuilder, rows: Value, places: Array) -> Value:
    last = {int(place): i for i, place in enumerate(places.tolist())}
    if sorted(last) != list(range(len(last))):
        raise UnsupportedModel("DynamicStitch: the indices leave gaps")
    order = np.array([last[i] for i in range(len(last))], np.int64)
    return rows if order.tolist() == list(range(len(places))) else b.gather(rows, order, axis=0)


@lowers("InvertPermutation")
def invert_permutation(b: TfBuilder, x: Value) -> Value:
    known = b.numbers(x)
    if known is not None:
        return b.const(np.argsort(known).astype(known.dtype))
    return converted(b, b.topk(x, k=x.shape[0], axis=0, largest=False)[1], x.dtype)


@lowers("Bincount")
def bincount(b: TfBuilder, x: Value, size: Value, weights: Value) -> Value:
    return _bins(b, reshaped(b, x, (x.type.numel(),)), size, weights, binary=False)


@lowers("DenseBincount")
def dense_bincount(b: TfBuilder, x: Value, size: Value, weights: Value, *, binary_output: bool = False) -> Value:
    return _bins(b, x, size, weights, binary_output)


def _bins(b: TfBuilder, x: Value, size: Value, weights: Value, binary: bool) -> Value:
    """How often each of 0..size-1 occurs in a vector, or in each row; an element counts as its weight, else 1."""
    count = b.sizes(scalar(b, size))
    least, most = limits(b, size)
    if count is None and least is not None and least == most:  # min(6, max(6, data)), as Keras writes it
        count = (least,)
    if count is None or x.rank not in (1, 2):
        raise UnsupportedModel(f"{b.node.op} of {x} into a number of bins that data decide")
    found = b.equal(b.reshape(x, shape=(*x.shape, 1)), b.iota(dtype=x.dtype, shape=count, axis=0))
    along = (x.rank - 1,)
    if binary:
        return b.cast(b.reduce_any(found, axes=along), dtype=weights.dtype)
    each = b.cast(found, dtype=weights.dtype)
    if weights.shape == x.shape:
        each = b.mul(each, b.reshape(weights, shape=(*x.shape, 1)))
    return b.reduce_sum(each, axes=along)


@lowers("Unique")
def unique(b: TfBuilder, x: Value, *, out_idx: DType = I32) -> tuple[Value, Value]:
    known = b.numbers(x)
    if known is None:
        raise UnsupportedModel("Unique of what is computed from inputs")
    found, first, back = np.unique(known, return_index=True, return_inverse=True)
    order = np.argsort(first)
    places = np.argsort(order)[back.reshape(-1)]
    return b.const(found[order]), b.const(places.astype(out_idx.numpy))


@lowers("Bucketize")
def bucketize(b: TfBuilder, x: Value, *, boundaries: tuple[float, ...]) -> Value:
    """How many of the sorted boundaries are not greater than the element."""
    wide = converted(b, x, F64 if x.dtype == F64 else F32)
    limits = b.const(np.array(boundaries, np.float32).astype(wide.dtype.numpy))
    below = b.less(b.reshape(wide, shape=(*x.shape, 1)), limits)
    return _count(b, b.logical_not(below), I32)  # NaN is below none


@lowers("LowerBound", "UpperBound")
def bound(b: TfBuilder, rows: Value, x: Value, *, out_type: DType = I32) -> Value:
    """Where each of x [N, M] would be put into its sorted row [N, K]: before or behind equal elements."""
    wide = b.reshape(x, shape=(*x.shape, 1))
    row = b.reshape(rows, shape=(rows.shape[0], 1, rows.shape[1]))
    return _count(b, b.less(row, wide) if b.node.op == "LowerBound" else b.less_equal(row, wide), out_type)


def _count(b: TfBuilder, flags: Value, dtype: DType) -> Value:
    return converted(b, b.reduce_sum(b.cast(flags, dtype=I64), axes=(flags.rank - 1,)), dtype)


@lowers("UnravelIndex")
def unravel_index(b: TfBuilder, x: Value, sizes: Value) -> Value:
    known = b.sizes(sizes)
    if known is None:
        raise UnsupportedModel("UnravelIndex in a computed shape")
    parts: list[Value] = []
    rest = x
    for size in reversed(known):
        by = converted(b, b.reshape(b.dims((size,)), shape=()), x.dtype)
        parts.insert(0, b.reshape(b.mod(rest, by), shape=(1, *x.shape)))
        rest = b.floor_div(rest, by)
    return b.concat(*parts, axis=0)
