"""Deformable convolution (torchvision/csrc/ops/cpu/deform_conv2d_kernel.cpp), as torchvision and ONNX mean it."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.bilinear import sampled
from isthmus.compiler.importers.values import number
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value
from isthmus.ir.types import I64


@dataclass(frozen=True)
class Window:
    """Where the taps of a convolution lie before they are moved: (down, right), pads before the first."""

    strides: tuple[int, int]
    pads: tuple[int, int]
    dilations: tuple[int, int]


def deformable_conv(
    b: ImportBuilder,
    x: Value,
    weight: Value,
    offset: Value,
    mask: Value | None,
    bias: Value | None,
    window: Window,
    *,
    groups: int,
    offset_groups: int,
) -> Value:
    """A convolution whose taps are moved by `offset` and scaled by `mask`, before what they meet is weighed.

    x [N, C, H, W], weight [M, C / groups, kh, kw], offset [N, G, taps, (down, right), *out], mask [N, G, taps, *out],
    their first axes but N as one; bias [M]. What lies outside of x is zero. Returns [N, M, *out].
    """
    n, c, height, width = x.shape
    filters, depth, kh, kw = weight.shape
    g, taps, *out = offset_groups, kh * kw, *offset.shape[2:]
    moves = b.split(b.reshape(offset, shape=(n, g, taps, 2, *out)), axis=3, sizes=(1, 1))
    shifts = [b.reshape(each, shape=(n, g, taps, *out)) for each in moves]
    tap = b.iota(dtype=I64, shape=(1, 1, taps, 1, 1), axis=2)
    places = (b.floor_div(tap, number(b, kw)), b.mod(tap, number(b, kw)))
    unmoved = [_unmoved(b, place, axis, out[axis], window) for axis, place in enumerate(places)]
    at = [b.add(shift, b.cast(place, dtype=x.dtype)) for shift, place in zip(shifts, unmoved, strict=True)]
    planes = b.transpose(b.reshape(x, shape=(n, g, c // g, height, width)), perm=(0, 1, 3, 4, 2))
    pixels = b.reshape(planes, shape=(n * g * height * width, c // g))
    plane = b.reshape(b.iota(dtype=I64, shape=(n * g,), axis=0), shape=(n, g, 1, 1, 1))
    met = sampled(b, pixels, b.mul(plane, number(b, height * width)), at, (height, width))
    if mask is not None:
        met = b.mul(met, b.reshape(mask, shape=(n, g, taps, *out, 1)))
    met = b.transpose(met, perm=(0, 1, 5, 2, 3, 4))  # [N, G, C / G, taps, *out]
    met = b.reshape(met, shape=(n, groups, depth * taps, out[0] * out[1]))
    kernels = b.reshape(weight, shape=(1, groups, filters // groups, depth * taps))
    made = b.reshape(b.matmul(kernels, met), shape=(n, filters, *out))
    return made if bias is None else b.add(made, b.reshape(bias, shape=(1, filters, 1, 1)))


def _unmoved(b: ImportBuilder, tap: Value, axis: int, out: Dim, window: Window) -> Value:
    """Where the taps lie along one axis for each of the `out` steps of the window along it."""
    along = (out, 1) if axis == 0 else (1, out)
    steps = b.iota(dtype=I64, shape=(1, 1, 1, *along), axis=3 + axis)
    first = b.sub(b.mul(steps, window.strides[axis]), window.pads[axis])
    return b.add(first, b.mul(tap, window.dilations[axis]))
