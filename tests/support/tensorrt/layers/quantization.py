"""Quantization: symmetric, with zero points that are zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import NUMPY, Array, numpy_type, wide
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.meaning import means

RANGES: dict[np.dtype[Any], tuple[float, float]] = {
    NUMPY["INT8"]: (-128, 127),
    NUMPY["INT4"]: (-8, 7),
    NUMPY["FP8"]: (-448, 448),
    NUMPY["FP4"]: (-6, 6),
}


def quantized(x: Array, scale: Array, dtype: np.dtype[Any]) -> Array:
    """clamp(round(x / scale)): integers round to nearest even, floats by being converted."""
    low, high = RANGES[dtype]
    ratio = wide(x) / wide(scale)
    return (np.rint(ratio) if dtype.kind == "i" or dtype == NUMPY["INT4"] else ratio).clip(low, high).astype(dtype)


def aligned(scale: Array, x: Array, axis: int) -> Array:
    """A scale against the tensor it scales: one for all, one an index of the axis, or one a block."""
    if scale.size == 1:
        return scale.reshape((1,) * x.ndim)
    if scale.ndim == 1 and (x.ndim > 1 or scale.shape == x.shape):
        return scale.reshape(tuple(-1 if i == axis % x.ndim else 1 for i in range(x.ndim)))
    if scale.ndim != x.ndim or any(n % max(m, 1) for n, m in zip(x.shape, scale.shape, strict=True)):
        raise NetworkError(f"a scale of {list(scale.shape)} does not divide a tensor of {list(x.shape)} into blocks")
    for i, (n, m) in enumerate(zip(x.shape, scale.shape, strict=True)):
        scale = np.repeat(scale, n // m, i) if n != m else scale
    return scale


def _without_zero_point(layer: Any, zero: Array | None) -> None:
    if zero is not None and wide(zero).any():
        raise NetworkError(f"'{layer.name}': only symmetric quantization is supported, so zero points must be zero")


@means("IQuantizeLayer")
def quantize(layer: Any, x: Array, scale: Array, zero: Array | None = None) -> Array:
    """clamp(round(input / scale))."""
    _without_zero_point(layer, zero)
    return quantized(x, aligned(scale, x, layer.axis), numpy_type(layer.to_type))


@means("IDequantizeLayer")
def dequantize(layer: Any, x: Array, scale: Array, zero: Array | None = None) -> Array:
    """Input * scale."""
    _without_zero_point(layer, zero)
    return (x.astype(np.float32) * wide(aligned(scale, x, layer.axis))).astype(numpy_type(layer.to_type))


@means("IDynamicQuantizeLayer")
def dynamic_quantize(layer: Any, x: Array, double_scale: Array | None = None) -> tuple[Array, Array]:
    """Blocks with scales of their own: the quantized data and the scales.

    NVFP4: scale = fp8(largest of the block / 6 / double_scale), data = fp4(x / (scale * double_scale)). MXFP8: scale =
    largest of the block / 448, rounded up to a power of two (e8m0), data = fp8(x / scale). The operator page names the
    types and block sizes only; the formulas are those of cuDNN's page "Block Scaling", where scales round up in MXFP8.
    """
    data_type, scale_type = numpy_type(layer.to_type), numpy_type(layer.scale_type)
    blocks = _block_shape(layer, x)
    split = [part for n, b in zip(x.shape, blocks, strict=True) for part in (n // b, b)]
    largest = np.abs(wide(x)).reshape(split).max(tuple(range(1, 2 * x.ndim, 2)))
    whole = np.float32(1) if double_scale is None else wide(double_scale).reshape(-1)[0]
    ideal = largest / np.float32(RANGES[data_type][1]) / whole
    if scale_type == NUMPY["E8M0"]:
        scale = np.exp2(np.ceil(np.log2(np.maximum(ideal, np.float32(2.0**-126))))).astype(scale_type)
    else:
        scale = ideal.clip(0, RANGES[scale_type][1]).astype(scale_type)
    factor = aligned(wide(scale) * whole, x, -1) if scale.size > 1 else (wide(scale) * whole).reshape((1,) * x.ndim)
    safe = np.where(factor == 0, np.float32(1), factor)
    return quantized(np.where(factor == 0, np.float32(0), wide(x)), safe, data_type), scale


def _block_shape(layer: Any, x: Array) -> tuple[int, ...]:
    given = tuple(getattr(layer, "block_shape", None) or ())
    if len(given) == x.ndim:
        return tuple(n if b == -1 else b for n, b in zip(x.shape, given, strict=True))
    return tuple(layer.block_size if i == layer.axis % x.ndim else 1 for i in range(x.ndim))
