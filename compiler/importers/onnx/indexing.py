"""Ops that address elements by computed indices."""

from __future__ import annotations

from typing import Literal

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import normal_axis, scalar
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.ir.errors import UnsupportedModel
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
