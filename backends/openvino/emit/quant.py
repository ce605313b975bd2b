"""Linear quantization, written out."""

from __future__ import annotations

import numpy as np

from isthmus.backends.emitter import emits
from isthmus.backends.openvino.network import Handle, Network
from isthmus.ir.graph import Node
from isthmus.ir.types import F32, I32


def _too_wide(node: Node) -> str | None:
    dtype = node.results[0].dtype
    return None if dtype.bits <= 16 else f"levels of {dtype} do not fit the f32 they are rounded in"


@emits("quantize", unless=_too_wide)
def quantize(n: Network, x: Handle, scale: Handle, zero_point: Handle, *, axis: int | None) -> Handle:
    """round(x / scale) + zero_point, clamped, then cast."""
    dtype = n.node.results[0].dtype
    info = np.iinfo(dtype.numpy)
    rounded = n.ops.round(n.ops.divide(x, _along(n, scale, axis)), "HALF_TO_EVEN")
    levels = n.ops.add(rounded, n.cast(_along(n, zero_point, axis), F32))
    return n.cast(n.cast(n.ops.clamp(levels, float(info.min), float(info.max)), I32), dtype)


@emits("dequantize")
def dequantize(n: Network, x: Handle, scale: Handle, zero_point: Handle | None = None, *, axis: int | None) -> Handle:
    """(x - zero_point) * scale in f32."""
    levels = n.cast(x, F32)
    if zero_point is not None:
        levels = n.ops.subtract(levels, n.cast(_along(n, zero_point, axis), F32))
    return n.ops.multiply(levels, _along(n, scale, axis))


def _along(n: Network, parameter: Handle, axis: int | None) -> Handle:
    """A scalar as it is, a vector shaped to broadcast along `axis`."""
    if axis is None:
        return parameter
    return n.ops.reshape(parameter, n.vector([-1 if i == axis else 1 for i in range(n.x.rank)]), False)
