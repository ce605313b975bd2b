"""Ops that address elements by computed indices."""

from __future__ import annotations

from typing import Literal

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import normal_axis, scalar
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.values import number
from isthmus.ir.dim import Shape, equal, less_equal
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64

_Reduction = Literal["none", "add", "mul", "max", "min"]


@lowers("Gather")
def gather(b: OnnxBuilder, x: Value, indices: Value, *, axis: int = 0) -> Value:
    return b.gather(x, indices, axis=normal_axis(axis, x.rank))


@lowers("GatherElements")
def gather_elements(b: OnnxBuilder, x: Value, indices: Value, *, axis: int = 0) -> Value:
    return b.gather_elements(x, indices, axis=normal_axis(axis, x.rank))


@lowers("GatherND")
def gather_nd(b: OnnxBuilder, x: Value, indices: Value, *, batch_dims: int = 0) -> Value:
    return b.gather_nd(x, indices, batch_dims=batch_dims)


@lowers("ScatterElements", "Scatter")
def scatter_elements(
    b: OnnxBuilder, x: Value, indices: Value, updates: Value, *, axis: int = 0, reduction: _Reduction = "none"
) -> Value:
    return b.scatter_elements(x, indices, updates, axis=normal_axis(axis, x.rank), reduction=reduction)


@lowers("ScatterND")
def scatter_nd(b: OnnxBuilder, x: Value, indices: Value, updates: Value, *, reduction: _Reduction = "none") -> Value:
    return b.scatter_nd(x, indices, updates, reduction=reduction)


@lowers("TensorScatter", since=24)
def tensor_scatter(
    b: OnnxBuilder,
    x: Value,
    update: Value,
    write_indices: Value | None = None,
    *,
    axis: int = -2,
    mode: Literal["linear", "circular"] = "linear",
) -> Value:
    """x with `update` written along `axis`, in batch i from write_indices[i] on; round the end if circular."""
    at = normal_axis(axis, x.rank)
    if at == 0 or update.rank != x.rank or not _holds(x.shape, update.shape, at):
        raise MalformedModel(f"TensorScatter of {update} to {x} along axis {at}")
    steps = b.iota(dtype=I64, shape=tuple(d if i == at else 1 for i, d in enumerate(update.shape)), axis=at)
    if write_indices is not None:
        steps = b.add(steps, b.reshape(write_indices, shape=(x.shape[0], *[1] * (x.rank - 1))))
    if mode == "circular":
        steps = b.mod(steps, number(b, x.shape[at]))
    return b.scatter_elements(x, b.expand(steps, shape=update.shape), update, axis=at)


def _holds(shape: Shape, part: Shape, axis: int) -> bool:
    """Whether the part may be as large along the axis, and the same along the others."""
    pairs = zip(shape, part, strict=True)
    return all((less_equal(d, s) if i == axis else equal(d, s)) is not False for i, (s, d) in enumerate(pairs))


@lowers("OneHot")
def one_hot(b: OnnxBuilder, indices: Value, depth: Value, values: Value, *, axis: int = -1) -> Value:
    """ONNX takes indices and depth of any numeric type."""
    count = b.sizes(scalar(b, depth if depth.dtype.is_integer else b.cast(depth, dtype=I64)))
    if count is None:
        raise UnsupportedModel("OneHot: depth must depend on nothing but input shapes")
    at = indices if indices.dtype == I64 else b.cast(indices, dtype=I64)
    return b.one_hot(at, values, depth=count[0], axis=normal_axis(axis, indices.rank + 1))


@lowers("Trilu")
def trilu(b: OnnxBuilder, x: Value, k: Value | None = None, *, upper: bool = True) -> Value:
    diagonal = 0 if k is None else b.integers(scalar(b, k), "Trilu: k")[0]
    return b.trilu(x, upper=upper, k=diagonal)


@lowers("Compress")
def compress(b: OnnxBuilder, x: Value, condition: Value, *, axis: int | None = None) -> Value:
    """The slices along `axis` (of the flattened x without one) at which the condition holds."""
    places = b.non_zero(condition)
    kept = b.reshape(places, shape=(places.shape[1],))
    if axis is None:
        return b.gather(b.reshape(x, shape=(x.type.numel(),)), kept, axis=0)
    return b.gather(x, kept, axis=normal_axis(axis, x.rank))


@lowers("NonMaxSuppression")
def non_max_suppression(
    b: OnnxBuilder,
    boxes: Value,
    scores: Value,
    max_per_class: Value | None = None,
    iou_threshold: Value | None = None,
    score_threshold: Value | None = None,
    *,
    center_point_box: bool = False,
) -> Value:
    most = 0
    if max_per_class is not None:
        (most,) = b.integers(scalar(b, max_per_class), "NonMaxSuppression: the number of boxes")
    return b.non_max_suppression(
        boxes,
        scores,
        max_per_class=most,
        iou_threshold=_number(b, iou_threshold, 0.0),
        score_threshold=_number(b, score_threshold, -float(np.finfo(np.float32).max)),
        center_point_box=center_point_box,
    )


@lowers("ReverseSequence")
def reverse_sequence(b: OnnxBuilder, x: Value, lengths: Value, *, batch_axis: int = 1, time_axis: int = 0) -> Value:
    """The first lengths[i] steps of batch i in reverse order, the others as they are."""
    batch, time = normal_axis(batch_axis, x.rank), normal_axis(time_axis, x.rank)
    plane = (x.shape[time], x.shape[batch])
    steps = b.iota(dtype=I64, shape=plane, axis=0)
    ends = b.reshape(lengths if lengths.dtype == I64 else b.cast(lengths, dtype=I64), shape=(1, x.shape[batch]))
    source = b.where(b.less(steps, ends), b.sub(b.sub(ends, 1), steps), steps)
    if time > batch:
        source = b.transpose(source, perm=(1, 0))
    spread = [d if i in (batch, time) else 1 for i, d in enumerate(x.shape)]
    return b.gather_elements(x, b.expand(b.reshape(source, shape=tuple(spread)), shape=x.shape), axis=time)


def _number(b: OnnxBuilder, x: Value | None, default: float) -> float:
    if x is None:
        return default
    found = b.numbers(scalar(b, x))
    if found is None:
        raise UnsupportedModel("NonMaxSuppression: thresholds must be constant, but are computed from inputs")
    return float(str(found.item() if found.dtype != np.float32 else np.float32(found)))
