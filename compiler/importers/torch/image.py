"""Resampling of images, and the windows of im2col."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from isthmus.compiler.importers.torch.args import spread, static_sizes
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.resampling import Coordinates, resampled
from isthmus.compiler.importers.torch.schema import AtenLowering, aten
from isthmus.ir.dim import Dim, equal
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value

Factors: TypeAlias = Sequence[float] | None
_Mode: TypeAlias = Literal["nearest", "linear", "cubic"]


@dataclass(frozen=True)
class _Sampling:
    """How values between elements are made."""

    mode: _Mode
    coordinates: Coordinates
    nearest: Literal["floor", "round_prefer_ceil"] = "floor"
    antialias: bool = False


def _nearest(op: str, how: _Sampling) -> AtenLowering[Value]:
    @aten(op)
    def upsample(
        b: TorchBuilder,
        x: Value,
        output_size: Sequence[Dim] | None = None,
        scale_factors: Factors = None,
        scales: float | None = None,
        scales_d: float | None = None,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Value:
        return _resized(b, x, scale_factors, (scales, scales_d, scales_h, scales_w), how)

    return upsample


def _linear(op: str, mode: _Mode, antialias: bool = False) -> AtenLowering[Value]:
    @aten(op)
    def upsample(
        b: TorchBuilder,
        x: Value,
        output_size: Sequence[Dim] | None = None,
        align_corners: bool = False,
        scale_factors: Factors = None,
        scales: float | None = None,
        scales_d: float | None = None,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Value:
        if align_corners and antialias:
            raise UnsupportedModel("antialiased resampling with align_corners", hint="use align_corners=False")
        how = _Sampling(mode, "align_corners" if align_corners else "half_pixel", antialias=antialias)
        return _resized(b, x, scale_factors, (scales, scales_d, scales_h, scales_w), how)

    return upsample


nearest = tuple(_nearest(f"upsample_nearest{n}d", _Sampling("nearest", "asymmetric")) for n in (1, 2, 3))
nearest_exact = tuple(
    _nearest(f"_upsample_nearest_exact{n}d", _Sampling("nearest", "half_pixel", "round_prefer_ceil")) for n in (1, 2, 3)
)
linear = (
    _linear("upsample_linear1d", "linear"),
    _linear("upsample_bilinear2d", "linear"),
    _linear("upsample_trilinear3d", "linear"),
    _linear("upsample_bicubic2d", "cubic"),
    _linear("_upsample_bilinear2d_aa", "linear", antialias=True),
    _linear("_upsample_bicubic2d_aa", "cubic", antialias=True),
)


@aten("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def grid_sampler(
    b: TorchBuilder, x: Value, grid: Value, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Value:
    """torch numbers its modes (aten/src/ATen/native/GridSamplerUtils.h)."""
    return b.grid_sample(
        x,
        grid,
        mode=("linear", "nearest", "cubic")[interpolation_mode],
        padding=("zeros", "border", "reflection")[padding_mode],
        align_corners=align_corners,
    )


@aten("im2col")
def im2col(
    b: TorchBuilder,
    x: Value,
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int],
    padding: int | Sequence[int],
    stride: int | Sequence[int],
) -> Value:
    """Each window of x [N, C, H, W] as a column: [N, C * kh * kw, positions]."""
    kernel, dilations, strides = (spread(each, 2) for each in (kernel_size, dilation, stride))
    pads = spread(padding, 2)
    if any(pads):
        x = b.pad(x, pads=((0, 0), (0, 0), *((p, p) for p in pads)))
    sizes = static_sizes(x.shape[2:], "im2col's x")
    counts = [(n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(sizes, kernel, dilations, strides, strict=True)]
    for axis, (k, d, s, count) in enumerate(zip(kernel, dilations, strides, counts, strict=True)):
        places = np.arange(k)[:, None] * d + np.arange(count)[None, :] * s
        x = b.gather(x, b.const(places), axis=2 + 2 * axis)
    x = b.transpose(x, perm=(0, 1, 2, 4, 3, 5))
    return b.reshape(x, shape=(x.shape[0], x.shape[1] * kernel[0] * kernel[1], counts[0] * counts[1]))


def _resized(b: TorchBuilder, x: Value, listed: Factors, single: Sequence[float | None], how: _Sampling) -> Value:
    """To the size torch says; coordinates count by the factors given, else by the sizes' ratio.

    With antialiasing torch does as Pillow does: weights outside the image are left out, and the cubic is a softer one.
    """
    shape = b.wanted().shape
    spatial = x.rank - 2
    given = list(listed) if listed else list(single[:1] if spatial == 1 else single[-spatial:])
    factors = [
        factor if factor is not None and how.coordinates != "align_corners" else _ratio(want, have)
        for factor, want, have in zip(given, shape[2:], x.shape[2:], strict=True)
    ]
    if None in factors:
        return _by_computed_ratios(b, x, shape, how)
    moved = [i for i in range(spatial) if factors[i] != 1.0 or equal(shape[i + 2], x.shape[i + 2]) is not True]
    if not moved:
        return x
    return b.resize(
        x,
        axes=tuple(i + 2 for i in moved),
        sizes=tuple(shape[i + 2] for i in moved),
        scales=tuple(float(factor) for i in moved if (factor := factors[i]) is not None),
        mode=how.mode,
        coordinates=how.coordinates,
        nearest=how.nearest,
        cubic_coefficient=-0.5 if how.antialias else -0.75,
        exclude_outside=how.antialias,
        antialias=how.antialias,
    )


def _by_computed_ratios(b: TorchBuilder, x: Value, shape: Sequence[Dim], how: _Sampling) -> Value:
    if how.mode == "cubic" or how.antialias:
        raise UnsupportedModel(
            f"{'antialiased' if how.antialias else 'cubic'} resampling by a ratio of symbolic sizes",
            hint="give fixed sizes with inputs=",
        )
    for axis in range(2, x.rank):
        if equal(shape[axis], x.shape[axis]) is not True:
            x = resampled(b, x, axis, shape[axis], how.mode == "linear", how.coordinates)
    return x


def _ratio(size: Dim, before: Dim) -> float | None:
    """size / before, or None where it is no number."""
    if isinstance(size, int) and isinstance(before, int):
        return size / before
    for a, c, inverse in ((size, before, False), (before, size, True)):
        whole = a // c
        if isinstance(whole, int) and whole and equal(whole * c, a) is True:
            return 1 / whole if inverse else float(whole)
    return None
