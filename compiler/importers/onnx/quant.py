"""Linear quantization: QuantizeLinear and DequantizeLinear, and the ops ONNX defines on quantized operands."""

from __future__ import annotations

import math

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import normal_axis, scalar
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.onnx.nn import conv
from isthmus.compiler.importers.onnx.types import dtype_from
from isthmus.compiler.importers.onnx.windows import AutoPad, Ints
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import F32, F64, I32, U8, DType

_EXACT_IN_F32 = 1 << 24


@lowers("QuantizeLinear")
def quantize_linear(
    b: OnnxBuilder,
    x: Value,
    scale: Value,
    zero_point: Value | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: bool = True,
) -> Value:
    _check_blocks(block_size, saturate)
    dtype = dtype_from(output_dtype, "QuantizeLinear: output_dtype") if output_dtype else U8
    along = _axis(scale, x, axis)
    scale, zero_point = _parameters(b, scale, zero_point, along, dtype)
    if x.dtype == I32:
        x = b.cast(x, dtype=scale.dtype)
    if x.dtype != scale.dtype:
        scale = b.cast(scale, dtype=x.dtype)
    return b.quantize(x, scale, zero_point, axis=along)


@lowers("DequantizeLinear")
def dequantize_linear(
    b: OnnxBuilder,
    x: Value,
    scale: Value,
    zero_point: Value | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Value:
    _check_blocks(block_size, True)
    along = _axis(scale, x, axis)
    scale, zero = _parameters(b, scale, zero_point, along, x.dtype)
    y = b.dequantize(x, scale, None if zero_point is None else zero, axis=along)
    made = dtype_from(output_dtype, "DequantizeLinear: output_dtype") if output_dtype else y.dtype
    return y if made == y.dtype else b.cast(y, dtype=made)


@lowers("QLinearMatMul")
def qlinear_matmul(
    b: OnnxBuilder,
    x: Value,
    x_scale: Value,
    x_zero: Value,
    y: Value,
    y_scale: Value,
    y_zero: Value,
    scale: Value,
    zero: Value,
) -> Value:
    """Real numbers in between: what the quantized product stands for. x may have a scale a row, y one a column."""
    left = dequantize_linear(b, x, x_scale, x_zero, axis=max(x.rank - 2, 0))
    right = dequantize_linear(b, y, y_scale, y_zero, axis=y.rank - 1)
    return quantize_linear(b, b.matmul(left, right), scale, zero, axis=max(x.rank - 2, 0))  # type: ignore[no-any-return]


@lowers("QLinearConv")
def qlinear_conv(
    b: OnnxBuilder,
    x: Value,
    x_scale: Value,
    x_zero: Value,
    weight: Value,
    weight_scale: Value,
    weight_zero: Value,
    scale: Value,
    zero: Value,
    bias: Value | None = None,
    *,
    auto_pad: AutoPad = "NOTSET",
    dilations: Ints | None = None,
    group: int = 1,
    kernel_shape: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    """Real numbers in between. The bias is an i32 in units of x_scale * weight_scale."""
    window = {
        "auto_pad": auto_pad,
        "dilations": dilations,
        "group": group,
        "kernel_shape": kernel_shape,
        "pads": pads,
        "strides": strides,
    }
    offset = None
    if bias is not None:
        units = b.mul(scalar(b, x_scale), weight_scale)
        offset = b.mul(b.cast(bias, dtype=F32), units)
    left = dequantize_linear(b, x, x_scale, x_zero)
    right = dequantize_linear(b, weight, weight_scale, weight_zero, axis=0)
    return quantize_linear(b, conv(b, left, right, offset, **window), scale, zero)  # type: ignore[no-any-return]


@lowers("ConvInteger")
def conv_integer(
    b: OnnxBuilder,
    x: Value,
    weight: Value,
    x_zero: Value | None = None,
    weight_zero: Value | None = None,
    *,
    auto_pad: AutoPad = "NOTSET",
    dilations: Ints | None = None,
    group: int = 1,
    kernel_shape: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    """In floats wide enough to be exact, then as i32."""
    window = {
        "auto_pad": auto_pad,
        "dilations": dilations,
        "group": group,
        "kernel_shape": kernel_shape,
        "pads": pads,
        "strides": strides,
    }
    taps = math.prod(d for d in weight.shape[1:] if isinstance(d, int))
    wide = F32 if taps * 255 * 255 < _EXACT_IN_F32 and weight.type.is_static else F64
    left, right = b.cast(x, dtype=wide), b.cast(weight, dtype=wide)
    if x_zero is not None:
        left = b.sub(left, b.cast(scalar(b, x_zero), dtype=wide))
    if weight_zero is not None:
        each = (*weight_zero.shape, *[1] * (weight.rank - 1)) if weight_zero.rank else ()
        right = b.sub(right, b.cast(b.reshape(weight_zero, shape=each), dtype=wide))
    return b.cast(conv(b, left, right, **window), dtype=I32)


def _parameters(
    b: OnnxBuilder, scale: Value, zero: Value | None, along: int | None, dtype: DType
) -> tuple[Value, Value]:
    """Scale and zero point as scalars or as vectors; the zero point is made of `dtype` where absent."""
    if along is None:
        scale = scalar(b, scale)
        zero = None if zero is None else scalar(b, zero)
    if zero is not None:
        return scale, zero
    made = b.const(np.zeros((), dtype.numpy))
    return scale, made if along is None else b.full(made, shape=scale.shape)


def _axis(scale: Value, x: Value, axis: int) -> int | None:
    if scale.rank > 1:
        raise UnsupportedModel(f"quantization by blocks: scale is {scale}")
    if scale.rank == 0 or scale.shape == (1,):
        return None
    return normal_axis(axis, x.rank)


def _check_blocks(block_size: int, saturate: bool) -> None:
    if block_size:
        raise UnsupportedModel("quantization by blocks (block_size)")
    if not saturate:
        raise UnsupportedModel("quantization without saturation")
