"""Deformable convolution (torchvision/csrc/ops/cpu/deform_conv2d_kernel.cpp)."""

from __future__ import annotations

from isthmus.compiler.importers.torch.bilinear import number, sampled
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value
from isthmus.ir.types import I64


@aten("torchvision::deform_conv2d")
def deform_conv2d(
    b: TorchBuilder,
    x: Value,
    weight: Value,
    offset: Value,
    mask: Value,
    bias: Value,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Value:
    """A convolution whose taps are moved by `offset` and scaled by `mask`, before what they meet is weighed.

    x [N, C, H, W], weight [M, C / groups, kh, kw], offset [N, G, taps, (down, right), *out], mask [N, G, taps, *out],
    their first axes but N as one; bias [M]. What lies outside of x is zero.
    """
    n, c, height, width = x.shape
    filters, depth, kh, kw = weight.shape
    g, taps, *out = offset_groups, kh * kw, *offset.shape[2:]
    moves = b.split(b.reshape(offset, shape=(n, g, taps, 2, *out)), axis=3, sizes=(1, 1))
    down, right = (b.reshape(each, shape=(n, g, taps, *out)) for each in moves)
    tap = b.iota(dtype=I64, shape=(1, 1, taps, 1, 1), axis=2)
    rows = _unmoved(b, b.floor_div(tap, number(b, kw)), (out[0], 1), stride_h, pad_h, dilation_h)
    columns = _unmoved(b, b.mod(tap, number(b, kw)), (1, out[1]), stride_w, pad_w, dilation_w)
    at = [b.add(move, b.cast(place, dtype=x.dtype)) for move, place in ((down, rows), (right, columns))]
    planes = b.transpose(b.reshape(x, shape=(n, g, c // g, height, width)), perm=(0, 1, 3, 4, 2))
    pixels = b.reshape(planes, shape=(n * g * height * width, c // g))
    plane = b.reshape(b.iota(dtype=I64, shape=(n * g,), axis=0), shape=(n, g, 1, 1, 1))
    met = sampled(b, pixels, b.mul(plane, number(b, height * width)), at, (height, width))
    if use_mask:
        met = b.mul(met, b.reshape(mask, shape=(n, g, taps, *out, 1)))
    met = b.transpose(met, perm=(0, 1, 5, 2, 3, 4))  # [N, G, C / G, taps, *out]
    met = b.reshape(met, shape=(n, groups, depth * taps, out[0] * out[1]))
    kernels = b.reshape(weight, shape=(1, groups, filters // groups, depth * taps))
    made = b.reshape(b.matmul(kernels, met), shape=(n, filters, *out))
    return b.add(made, b.reshape(bias, shape=(1, filters, 1, 1)))


def _unmoved(b: TorchBuilder, tap: Value, out: tuple[Dim, Dim], stride: int, pad: int, dilation: int) -> Value:
    """Where the taps lie along one axis for each step of the window; `out` has the steps along that axis."""
    steps = b.iota(dtype=I64, shape=(1, 1, 1, *out), axis=3 if out[1] == 1 else 4)
    return b.add(b.sub(b.mul(steps, stride), pad), b.mul(tap, dilation))
