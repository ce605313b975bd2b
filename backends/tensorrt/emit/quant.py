"""Linear quantization: the engine's own layers where it is symmetric, which fuse into products; else written out."""

from __future__ import annotations

import numpy as np

from isthmus.backends.emitter import emits
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.ir.graph import Node, Value
from isthmus.ir.types import F8E4M3, F32, I8, I32, DType


def _has_own_layer(node: Node, dtype: DType) -> bool:
    """Whether the engine has a layer for a node that quantizes to, or from, `dtype`: zero points are zero, and scales
    are positive constants.
    """
    scale, *zero_points = (v for v in node.operands[1:] if v is not None)
    zero = all(v.array is not None and not v.array.astype(np.float32).any() for v in zero_points)
    known = scale.array is not None and bool((scale.array > 0).all())
    return dtype in (I8, F8E4M3) and known and zero and node.inputs[0].rank > 0


def is_only_dequantized(value: Value) -> bool:
    """Whether the value is used as a quantized number only, by the engine's own layer."""
    return bool(value.uses) and all(
        isinstance(use.user, Node)
        and use.user.op.name == "dequantize"
        and use.user.operands[0] is value
        and _has_own_layer(use.user, value.dtype)
        for use in value.uses
    )


def _no_levels(node: Node) -> str | None:
    quantized = node.results[0].dtype if node.op.name == "quantize" else node.inputs[0].dtype
    if quantized.is_float and not _has_own_layer(node, quantized):
        return "the engine scales 8-bit floats by positive constants only, without a zero point"
    if quantized.bits > 16 and node.op.name == "quantize":
        return f"levels of {quantized} do not fit the f32 they are rounded in"
    return None


@emits("quantize", unless=_no_levels)
def quantize(n: Network, x: Handle, scale: Handle, zero_point: Handle, *, axis: int | None) -> Handle:
    """round(x / scale) + zero_point, clamped."""
    dtype = n.node.results[0].dtype
    if _has_own_layer(n.node, dtype):
        layer = n.layer(n.definition.add_quantize(x, scale, n.type(dtype)))
        if axis is not None:
            layer.axis = axis
        return n.of(layer)
    info = np.iinfo(dtype.numpy)
    levels = n.elementwise("DIV", n.cast(x, F32), n.cast(_along(n, scale, axis), F32))
    levels = n.elementwise("SUM", n.unary("ROUND", levels), n.cast(_along(n, zero_point, axis), F32))
    return n.cast(n.cast(n.activation("CLIP", levels, float(info.min), float(info.max)), I32), dtype)


@emits("dequantize", unless=_no_levels)
def dequantize(n: Network, x: Handle, scale: Handle, zero_point: Handle | None = None, *, axis: int | None) -> Handle:
    """(x - zero_point) * scale in f32, rounded to the scale's type."""
    value, wanted = n.x, n.node.results[0].dtype
    if _has_own_layer(n.node, value.dtype):
        if value.array is not None and not is_only_dequantized(value):
            x = n.quantized_constant(value.array, value.dtype)
        layer = n.layer(n.definition.add_dequantize(x, scale, n.type(wanted)))
        if axis is not None:
            layer.axis = axis
        return n.of(layer)
    levels = n.cast(x, F32)
    if zero_point is not None:
        levels = n.elementwise("SUB", levels, n.cast(_along(n, zero_point, axis), F32))
    return n.cast(n.elementwise("PROD", levels, n.cast(_along(n, scale, axis), F32)), wanted)


def _along(n: Network, parameter: Handle, axis: int | None) -> Handle:
    """A scalar as it is, a vector shaped to broadcast along `axis`."""
    return parameter if axis is None else n.unsqueeze(parameter, [i for i in range(n.x.rank) if i != axis])
