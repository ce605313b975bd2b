"""Pooling over the last axes of NC... tensors."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import Array, wide
from tests.support.tensorrt.layers.windows import Axis, axes, windows_of
from tests.support.tensorrt.meaning import means


@means("IPoolingLayer")
def pooling(layer: Any, x: Array) -> Array:
    """Maximum, average, or a blend of both, of each window. Padding is -inf for maxima and 0 for averages."""
    kernel = tuple(layer.window_size_nd)
    rank = len(kernel)
    flat = wide(x).reshape(prod(x.shape[: x.ndim - rank]), 1, *x.shape[x.ndim - rank :])
    spatial = axes(layer, flat.shape[2:], kernel, (1,) * rank)
    kind = layer.type.name
    blend = {"MAX": 0.0, "AVERAGE": 1.0}.get(kind, layer.blend_factor)
    result = np.zeros((), flat.dtype)
    if kind != "AVERAGE":
        result = np.float32(1 - blend) * _maxima(flat, spatial)
    if kind != "MAX":
        result = result + np.float32(blend) * _averages(flat, spatial, layer.average_count_excludes_padding)
    return result.reshape(*x.shape[: x.ndim - rank], *(a.windows for a in spatial)).astype(x.dtype)


def _maxima(x: Array, spatial: tuple[Axis, ...]) -> Array:
    lowest = -np.inf if x.dtype == np.float32 else np.iinfo(x.dtype).min
    return np.asarray(windows_of(x, spatial, lowest).max(tuple(range(-len(spatial), 0))))


def _averages(x: Array, spatial: tuple[Axis, ...], excludes_padding: bool) -> Array:
    """Sums over how many elements of each window are in the image, or in the padded image."""
    sums = windows_of(x, spatial, 0).sum(tuple(range(-len(spatial), 0)), x.dtype)
    counts = np.ones((), x.dtype)
    for i, axis in enumerate(spatial):
        overlap = _overlaps(axis, excludes_padding).astype(x.dtype)
        counts = counts * overlap.reshape(-1, *(1,) * (len(spatial) - 1 - i))
    return np.asarray(sums / counts)


def _overlaps(axis: Axis, excludes_padding: bool) -> Array:
    first = np.arange(axis.windows) * axis.stride - axis.before
    low, high = (0, axis.size) if excludes_padding else (-axis.before, axis.size + axis.after)
    return np.minimum(first + axis.kernel, high) - np.maximum(first, low)
