"""Sampling an image at the points of a grid."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import Array, wide
from tests.support.tensorrt.layers.resize import cubic
from tests.support.tensorrt.meaning import means

_CUBIC_COEFFICIENT = -0.75
"""The layer has no parameter for it; ONNX GridSample's."""


@means("IGridSampleLayer")
def grid_sample(layer: Any, x: Array, grid: Array) -> Array:
    """[N, C, H, W] at [N, H', W', 2], or the same with a depth; -1 and 1 are the edges, or corner centres if aligned.

    NvInfer.h names the modes and no formulas; they are ONNX GridSample's. Coordinates are (x, y[, z]), the last axis of
    the image first. Of cubic interpolation what is read is clamped or reflected, not the coordinate: so PyTorch, where
    ONNX has the op from, and not so ONNX's reference evaluator with clamping.
    """
    sizes = x.shape[2:]
    at = [_pixels(wide(grid)[..., i], n, layer.align_corners) for i, n in enumerate(reversed(sizes))][::-1]
    mode = layer.interpolation_mode.name
    options = [_taps(layer, mode, point, n) for point, n in zip(at, sizes, strict=True)]
    batch = np.arange(x.shape[0]).reshape(-1, *(1,) * len(sizes))
    result = np.zeros((*grid.shape[:-1], x.shape[1]), np.float32)
    for taps in product(*options):
        weight = np.ones((), np.float32)
        for _, share in taps:
            weight = weight * share
        at_taps: tuple[Any, ...] = (batch, slice(None), *(place for place, _ in taps))
        values = wide(x)[at_taps]
        result += np.where(weight[..., None] == 0, 0, values * weight[..., None])
    return np.moveaxis(result, -1, 1).astype(x.dtype)


def _pixels(at: Array, size: int, aligned: bool) -> Array:
    if aligned:
        return (at + 1) / 2 * np.float32(size - 1)
    return ((at + 1) * np.float32(size) - 1) / 2


def _taps(layer: Any, mode: str, at: Array, size: int) -> list[tuple[Array, Array]]:
    """The places read along one axis, and the share of each."""
    if mode != "CUBIC":
        at = _inside(layer, at, size)
    if mode == "NEAREST":
        return [_placed(layer, np.rint(at), np.ones_like(at), size)]  # halves to even, as ONNX
    base = np.floor(at)
    if mode == "LINEAR":
        return [_placed(layer, base + o, (1 - np.abs(at - base - o)).astype(np.float32), size) for o in (0, 1)]
    offsets = (-1, 0, 1, 2)
    return [
        _placed(layer, base + o, cubic(at - base - o, _CUBIC_COEFFICIENT).astype(np.float32), size) for o in offsets
    ]


def _inside(layer: Any, at: Array, size: int) -> Array:
    """Coordinates clamped or reflected into the image; FILL leaves them."""
    if layer.sample_mode.name == "CLAMP":
        return at.clip(0, size - 1)
    if layer.sample_mode.name != "REFLECT":
        return at
    low, high = (0.0, size - 1.0) if layer.align_corners else (-0.5, size - 0.5)
    span = high - low
    if span <= 0:
        return np.zeros_like(at)
    offset = np.abs(at - low)
    turns = np.floor(offset / span)
    rest = offset - turns * span
    return np.where(turns % 2 == 0, low + rest, high - rest).clip(0, size - 1).astype(at.dtype)


def _placed(layer: Any, place: Array, share: Array, size: int) -> tuple[Array, Array]:
    """A place in the image; what a fill reads outside counts nothing."""
    if layer.sample_mode.name == "FILL":
        share = np.where((place < 0) | (place > size - 1), np.float32(0), share)
        return np.nan_to_num(place).clip(0, size - 1).astype(np.int64), share
    return np.nan_to_num(_inside(layer, place, size)).clip(0, size - 1).astype(np.int64), share
