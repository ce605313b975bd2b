"""Resizing, one axis after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import FLOATS, Array, wide
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.meaning import means


@means("IResizeLayer")
def resize(layer: Any, x: Array, dims: Array | None = None) -> Array:
    """To given dims, or by scales: floor(dim * scale).

    The documented coordinates use the ratio of the lengths, while NVIDIA's ONNX parser hands over ONNX's scales, by
    which ONNX computes coordinates: where the two differ a resize is an error. Beyond the edges the edge repeats:
    NvInfer.h only tells of `exclude_outside`, ONNX Resize says so.
    """
    target = _target(layer, x, dims)
    result = x if layer.resize_mode.name == "NEAREST" else wide(x)
    for axis, (old, new) in enumerate(zip(x.shape, target, strict=True)):
        if old != new:
            result = _along(layer, result, axis, old, new)
    return result.astype(x.dtype)


def _target(layer: Any, x: Array, dims: Array | None) -> tuple[int, ...]:
    if dims is not None:
        return tuple(dims.tolist())
    if not len(layer.scales):
        return tuple(layer.shape)
    exact = [n * float(s) for n, s in zip(x.shape, layer.scales, strict=True)]
    if any(abs(size - round(size)) > 1e-4 for size in exact):
        raise NetworkError(f"resize '{layer.name}' has scales that give no whole dims, which is undocumented")
    return tuple(round(size) for size in exact)


def _coordinates(layer: Any, old: int, new: int) -> Array:
    """Where each element of the output lies in the input. Numerators are integers, so that halves are exact."""
    if new == 1 and layer.selector_for_single_pixel.name == "UPPER":
        return np.zeros(1)
    at = np.arange(new)
    transformation = layer.coordinate_transformation.name
    if transformation == "ALIGN_CORNERS":
        return at * (old - 1) / max(new - 1, 1)  # 0 / 0 for a single pixel: the first, as in ONNX
    if transformation == "ASYMMETRIC":
        return at * old / new
    return ((2 * at + 1) * old - new) / (2 * new)


def _along(layer: Any, x: Array, axis: int, old: int, new: int) -> Array:
    at = _coordinates(layer, old, new)
    if layer.resize_mode.name == "NEAREST":
        return np.take(x, _rounded(layer.nearest_rounding.name, at).clip(0, old - 1), axis)
    base = np.floor(at).astype(np.int64)
    offsets = (0, 1) if layer.resize_mode.name == "LINEAR" else (-1, 0, 1, 2)
    places = np.stack([base + o for o in offsets])
    distances = at - places
    weights = _linear(distances) if layer.resize_mode.name == "LINEAR" else cubic(distances, layer.cubic_coeff)
    if layer.exclude_outside:
        weights = np.where((places < 0) | (places >= old), 0, weights)
        weights = weights / weights.sum(0)
    shape = tuple(-1 if i == axis else 1 for i in range(x.ndim))
    taken = (
        np.take(x, place.clip(0, old - 1), axis) * weight.astype(np.float32).reshape(shape)
        for place, weight in zip(places, weights, strict=True)
    )
    return np.asarray(sum(taken, np.zeros((), x.dtype if x.dtype in FLOATS else np.dtype(np.float32))))


def _rounded(mode: str, at: Array) -> Array:
    functions: dict[str, Callable[[Array], Array]] = {
        "HALF_UP": lambda v: np.floor(v + 0.5),
        "HALF_DOWN": lambda v: np.ceil(v - 0.5),
        "FLOOR": np.floor,
        "CEIL": np.ceil,
    }
    return np.asarray(functions[mode](at)).astype(np.int64)


def _linear(distance: Array) -> Array:
    return 1 - np.abs(distance)


def cubic(distance: Array, a: float) -> Array:
    """The weights of cubic interpolation with coefficient `a` (NvInfer.h, IResizeLayer::setCubicCoeff)."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))
