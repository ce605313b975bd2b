"""Linear quantization: real = (integer - zero_point) * scale, per tensor or along one axis."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from isthmus.ir.errors import TypeRuleError
from isthmus.ir.op import Float, Quantized, op
from isthmus.ir.ops.infer import check_axes, check_same
from isthmus.ir.precision import fragile
from isthmus.ir.types import Array, TensorType, dtype_of


def _quantize(x: TensorType, scale: TensorType, zero_point: TensorType, *, axis: int | None) -> TensorType:
    _check_parameters(x, scale, zero_point, axis)
    return x.with_dtype(zero_point.dtype)


@op(infer=_quantize, precision=fragile("scales are exact in f32 only"))
def quantize(x: Float, scale: Float, zero_point: Quantized, *, axis: int | None = None) -> Array:
    """round(x / scale) + zero_point, ties to even, saturated to zero_point's type, which the result has.

    To an 8-bit float, x / scale is rounded once, by that type. scale and zero_point are scalars, or vectors along
    `axis`.
    """
    levels = x / _along(scale, axis, x.ndim)
    offset = _along(zero_point, axis, x.ndim).astype(np.float32)
    if dtype_of(zero_point).is_float:
        limit = float(ml_dtypes.finfo(zero_point.dtype).max)
        return np.clip(levels + offset, -limit, limit)
    info = ml_dtypes.iinfo(zero_point.dtype)
    return np.clip(np.rint(levels) + offset, int(info.min), int(info.max))


def _dequantize(x: TensorType, scale: TensorType, zero_point: TensorType | None, *, axis: int | None) -> TensorType:
    _check_parameters(x, scale, zero_point, axis)
    return x.with_dtype(scale.dtype)


@op(infer=_dequantize, precision=fragile("scales are exact in f32 only"))
def dequantize(x: Quantized, scale: Float, zero_point: Quantized | None = None, *, axis: int | None = None) -> Array:
    """(x - zero_point) * scale, in scale's type; scale and zero_point are scalars, or vectors along `axis`."""
    levels = x.astype(np.float32)
    if zero_point is not None:
        levels = levels - _along(zero_point, axis, x.ndim).astype(np.float32)
    return levels * _along(scale, axis, x.ndim)


def _check_parameters(x: TensorType, scale: TensorType, zero_point: TensorType | None, axis: int | None) -> None:
    if zero_point is not None and zero_point.shape != scale.shape:
        raise TypeRuleError(f"scale {scale} and zero_point {zero_point} have other shapes")
    if axis is None:
        if scale.rank:
            raise TypeRuleError(f"scale {scale} needs an axis")
        return
    check_axes((axis,), x.rank)
    if scale.rank != 1:
        raise TypeRuleError(f"scale {scale} along an axis must be a vector")
    check_same(f"axis {axis} of {x} and scale", x.shape[axis], scale.shape[0])


def _along(parameter: Array, axis: int | None, rank: int) -> Array:
    return parameter if axis is None else parameter.reshape([-1 if i == axis else 1 for i in range(rank)])
