"""Layers quantized by torch itself: int8 weights in a packed object, activations quantized from call to call."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import F32

_LEAST_SCALE = 6.1e-5
"""Below it torch widens the range, so that the scale has an inverse in f32 and f16."""
_LEVELS, _REDUCED_LEVELS = 255, 127


@aten("quantized::linear_dynamic")
def linear_dynamic(b: TorchBuilder, x: Value, W_prepack: Any, reduce_range: bool = False) -> Value:  # noqa: N803
    """x is rounded to 8 bits over its own range, the product is exact, and the bias is added in f32."""
    return _product(b, _rounded(b, x, _REDUCED_LEVELS if reduce_range else _LEVELS), W_prepack)


@aten("quantized::linear_relu_dynamic")
def linear_relu_dynamic(b: TorchBuilder, x: Value, W_prepack: Any, reduce_range: bool = False) -> Value:  # noqa: N803
    """The same, then relu."""
    return b.relu(linear_dynamic(b, x, W_prepack, reduce_range))


@aten("quantized::linear_dynamic_fp16")
def linear_dynamic_fp16(b: TorchBuilder, x: Value, W_prepack: Any) -> Value:  # noqa: N803
    """Weights rounded to f16, everything else in f32."""
    return _product(b, x, W_prepack)


def _rounded(b: TorchBuilder, x: Value, levels: int) -> Value:
    """x at the nearest of levels + 1 steps between its least and its greatest element, zero among them.

    The parameters are those of torch's ChooseQuantizationParams (aten/src/ATen/native/quantized/cpu/QuantUtils.h).
    """
    axes = tuple(range(x.rank))
    low = b.minimum(b.reduce_min(x, axes=axes), b.const(0.0, F32))
    high = b.maximum(b.reduce_max(x, axes=axes), b.const(0.0, F32))
    width = b.sub(high, low)
    scale = b.div(width, float(levels))
    scale = b.where(b.equal(scale, 0.0), b.const(0.1, F32), b.maximum(scale, _LEAST_SCALE))
    step = b.reciprocal(scale)
    zero = b.clip(b.round(b.neg(b.mul(low, step))), b.const(0.0, F32), b.const(float(levels), F32))
    level = b.clip(b.add(b.round(b.mul(x, step)), zero), b.const(0.0, F32), b.const(float(levels), F32))
    return b.mul(b.sub(level, zero), scale)


def _product(b: TorchBuilder, x: Value, packed: Any) -> Value:
    weight, bias = _unpacked(packed)
    w = _weight(b, weight)
    y = b.matmul(x, b.transpose(w, perm=(1, 0)))
    return y if bias is None else b.add(y, b.const(bias.detach().numpy()))


def _unpacked(packed: Any) -> tuple[Any, Any]:
    for unpack in (torch.ops.quantized.linear_unpack, torch.ops.quantized.linear_unpack_fp16):
        try:
            weight, bias = unpack(packed)
        except RuntimeError:  # the weights are of the other kind
            continue
        return weight, bias
    raise UnsupportedModel("packed weights that are neither int8 nor f16")


def _weight(b: TorchBuilder, weight: Any) -> Value:
    """The weight [M, K] in f32; its integers stay a constant of int8."""
    if not weight.is_quantized:
        return b.const(weight.detach().float().numpy())
    integers = b.const(weight.int_repr().numpy())
    if weight.qscheme() == torch.per_tensor_affine:
        zero = b.const(np.array(weight.q_zero_point(), np.int8))
        return b.dequantize(integers, b.const(weight.q_scale(), F32), zero)
    scales = weight.q_per_channel_scales().float().numpy()
    zeros = weight.q_per_channel_zero_points().to(torch.int8).numpy()
    return b.dequantize(integers, b.const(scales), b.const(zeros), axis=int(weight.q_per_channel_axis()))
