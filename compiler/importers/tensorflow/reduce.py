"""Reductions, running sums and selections along axes."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import Lowering, lowers
from isthmus.compiler.importers.tensorflow.args import axis_from, converted, normal_axes, normal_axis, scalar
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import F64, I32, I64, DType

_REDUCTIONS = {
    "All": "reduce_all",
    "Any": "reduce_any",
    "Max": "reduce_max",
    "Min": "reduce_min",
    "Prod": "reduce_prod",
    "Sum": "reduce_sum",
}


def _reduction(source: str, name: str) -> Lowering:
    @lowers(source)
    def lower(b: TfBuilder, x: Value, axes: Value, *, keep_dims: bool = False) -> Value:
        along = normal_axes(b.integers(axes, f"{source}: axes"), x.rank)
        return b.create(name, (x,), {"axes": along, "keepdims": keep_dims}).result

    return lower


reductions = tuple(_reduction(*row) for row in _REDUCTIONS.items())


@lowers("Mean")
def mean(b: TfBuilder, x: Value, axes: Value, *, keep_dims: bool = False) -> Value:
    """Integers are averaged in f64 and rounded toward zero."""
    along = normal_axes(b.integers(axes, "Mean: axes"), x.rank)
    if x.dtype.is_float:
        return b.reduce_mean(x, axes=along, keepdims=keep_dims)
    return b.cast(b.reduce_mean(b.cast(x, dtype=F64), axes=along, keepdims=keep_dims), dtype=x.dtype)


@lowers("EuclideanNorm")
def euclidean_norm(b: TfBuilder, x: Value, axes: Value, *, keep_dims: bool = False) -> Value:
    along = normal_axes(b.integers(axes, "EuclideanNorm: axes"), x.rank)
    return b.sqrt(b.reduce_sum(b.mul(x, x), axes=along, keepdims=keep_dims))


@lowers("ArgMax", "ArgMin")
def arg(b: TfBuilder, x: Value, axis: Value, *, output_type: DType = I64) -> Value:
    along = axis_from(b, axis, x.rank, b.node.op)
    find = b.argmax if b.node.op == "ArgMax" else b.argmin
    return converted(b, find(x, axis=along), output_type)


@lowers("Cumsum")
def cumsum(b: TfBuilder, x: Value, axis: Value, *, exclusive: bool = False, reverse: bool = False) -> Value:
    return b.cumsum(x, axis=axis_from(b, axis, x.rank, "Cumsum"), exclusive=exclusive, reverse=reverse)


@lowers("Cumprod")
def cumprod(b: TfBuilder, x: Value, axis: Value, *, exclusive: bool = False, reverse: bool = False) -> Value:
    """Products of the first i elements, by halves: log2(n) multiplications by shifted copies."""
    along = axis_from(b, axis, x.rank, "Cumprod")
    size = x.shape[along]
    if not isinstance(size, int):
        raise UnsupportedModel("Cumprod along a symbolic size")
    found = b.reverse(x, axes=(along,)) if reverse else x
    if exclusive:
        found = _shifted(b, found, along, 1, size)
    step = 1
    while step < size:
        found = b.mul(found, _shifted(b, found, along, step, size))
        step *= 2
    return b.reverse(found, axes=(along,)) if reverse else found


@lowers("TopKV2")
def top_k(b: TfBuilder, x: Value, k: Value, *, sorted: bool = True, index_type: DType = I32) -> tuple[Value, Value]:
    """Always sorted: an unsorted result may stand in any order."""
    count = b.sizes(scalar(b, k))
    if count is None:
        raise UnsupportedModel("TopKV2: k must depend on nothing but input shapes")
    return _top_k(b, x, count[0], index_type)


@lowers("TopK")
def top_k_v1(b: TfBuilder, x: Value, *, k: int, sorted: bool = True) -> tuple[Value, Value]:
    return _top_k(b, x, k, I32)


@lowers("InTopKV2")
def in_top_k(b: TfBuilder, x: Value, targets: Value, k: Value) -> Value:
    return _in_top_k(b, x, targets, converted(b, scalar(b, k), I64))


@lowers("InTopK")
def in_top_k_v1(b: TfBuilder, x: Value, targets: Value, *, k: int) -> Value:
    return _in_top_k(b, x, targets, b.const(k, I64))


def _in_top_k(b: TfBuilder, x: Value, targets: Value, k: Value) -> Value:
    """Whether fewer than k elements of the row are greater than the target's."""
    at = b.reshape(converted(b, targets, I64), shape=(targets.shape[0], 1))
    own = b.gather_elements(x, at, axis=1)
    better = b.reduce_sum(b.cast(b.greater(x, own), dtype=I64), axes=(1,))
    return b.less(better, k)


def _top_k(b: TfBuilder, x: Value, k: object, index_type: DType) -> tuple[Value, Value]:
    if x.rank < 1:
        raise MalformedModel("top k of a scalar")
    values, indices = b.topk(x, k=k, axis=normal_axis(-1, x.rank))  # type: ignore[arg-type]
    return values, converted(b, indices, index_type)


def _shifted(b: TfBuilder, x: Value, axis: int, by: int, size: int) -> Value:
    kept = b.slice(x, axes=(axis,), starts=(0,), stops=(max(size - by, 0),), steps=(1,))
    pads = tuple((min(by, size), 0) if i == axis else (0, 0) for i in range(x.rank))
    return b.pad(kept, b.const(1, x.dtype), pads=pads)
