"""Layers that look along axes: reductions, softmax, topk, cumulative sums. Narrow floats accumulate in f32."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import FLOATS, Array, numpy_type, wide
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.meaning import axes_of, means


@means("IReduceLayer")
def reduce(layer: Any, x: Array) -> Array:
    """A reduction over axes; over no elements as NvInfer.h's ReduceOperation tabulates."""
    axes, keep, wider = axes_of(layer.axes), layer.keep_dims, wide(x)
    if layer.op.name == "SUM":
        result = wider.sum(axes, wider.dtype, keepdims=keep)
    elif layer.op.name == "PROD":
        result = wider.prod(axes, wider.dtype, keepdims=keep)
    elif layer.op.name == "AVG":
        result = _average(wider, axes, keep)
    elif layer.op.name in ("MAX", "MIN"):
        low, high = _bounds(wider.dtype)
        largest = layer.op.name == "MAX"
        result = (np.max if largest else np.min)(wider, axes, keepdims=keep, initial=low if largest else high)
    else:
        raise NetworkError(f"reduction {layer.op.name} has no documented meaning")
    return np.asarray(result).astype(x.dtype)


def _average(x: Array, axes: tuple[int, ...], keep: bool) -> Array:
    """Of integers: the sum divided as in C++, towards zero; 0 of nothing."""
    count = prod(x.shape[i] for i in axes)
    total = x.sum(axes, x.dtype, keepdims=keep)
    if x.dtype in FLOATS:
        return np.asarray(total / x.dtype.type(count))
    return np.asarray(np.sign(total) * (np.abs(total) // max(count, 1)))


def _bounds(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    if dtype in FLOATS:
        return dtype.type(-np.inf), dtype.type(np.inf)
    return np.iinfo(dtype).min, np.iinfo(dtype).max


@means("ISoftMaxLayer")
def softmax(layer: Any, x: Array) -> Array:
    """Along the one axis in the mask."""
    (axis,) = axes_of(layer.axes)
    return normalized_exponentials(wide(x), axis).astype(x.dtype)


def normalized_exponentials(x: Array, axis: int) -> Array:
    """exp(x) over its sum, shifted by the maximum so that it does not overflow."""
    powers = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


@means("IRaggedSoftMaxLayer")
def ragged_softmax(layer: Any, x: Array, bounds: Array) -> Array:
    """Over the first `bounds` elements of the last axis; the documentation is silent on the rest, 0 here."""
    inside = np.arange(x.shape[-1]) < bounds
    powers = normalized_exponentials(np.where(inside, wide(x), -np.inf), -1)
    return np.where(inside, powers, 0).astype(x.dtype)


@means("ITopKLayer")
def topk(layer: Any, x: Array, k: Array | None = None) -> tuple[Array, Array]:
    """The first k in sorted order and where they stood; among equals, undocumented, the lowest index first."""
    (axis,) = axes_of(layer.axes)
    count = layer.k if k is None else int(k)
    keys = wide(x) if layer.op.name == "MIN" else -_signed(wide(x))
    order = np.take(np.argsort(keys, axis, kind="stable"), np.arange(count), axis)
    indices_type = getattr(layer, "indices_type", None)
    dtype = np.dtype(np.int32) if indices_type is None else numpy_type(indices_type)
    return np.take_along_axis(x, order, axis), order.astype(dtype)


def _signed(x: Array) -> Array:
    """Negating the lowest integer overflows in its own type."""
    return x if x.dtype in FLOATS else x.astype(object) if x.dtype == np.int64 else x.astype(np.int64)


@means("ICumulativeLayer")
def cumulative(layer: Any, x: Array, axis: Array) -> Array:
    """Running sums, with or without the element itself, from either end."""
    if layer.op.name != "SUM":
        raise NetworkError(f"cumulative operation {layer.op.name} is not known here")
    along = int(axis)
    ordered = np.flip(wide(x), along) if layer.reverse else wide(x)
    sums = np.cumsum(ordered, along, ordered.dtype)
    if layer.exclusive:
        sums = np.roll(sums, 1, along)
        sums[(slice(None),) * (along % x.ndim) + (slice(0, 1),)] = 0
    return (np.flip(sums, along) if layer.reverse else sums).astype(x.dtype)
