"""Resampling and pixel shuffling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast, get_args

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import normal_axes
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.ir.dim import Dim, equal, floordiv
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value

_Policy = Literal["stretch", "not_larger", "not_smaller"]
_Mode = Literal["nearest", "linear", "cubic"]
_Coordinates = Literal["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
_Nearest = Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
_LARGEST_DENOMINATOR = 1 << 12


@dataclass(frozen=True)
class _Sampling:
    """How values between elements are made. The defaults are what Upsample, and Resize in operator set 10, do."""

    mode: _Mode
    coordinates: _Coordinates = "asymmetric"
    nearest: _Nearest = "floor"
    cubic_coefficient: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False


@lowers("Upsample", since=7)
def upsample_by_attribute(b: OnnxBuilder, x: Value, *, scales: tuple[float, ...], mode: _Mode = "nearest") -> Value:
    return _by_factors(b, x, tuple(range(x.rank)), scales, _Sampling(mode))


@lowers("Upsample", since=9)
def upsample(b: OnnxBuilder, x: Value, scales: Value, *, mode: _Mode = "nearest") -> Value:
    return _by_factors(b, x, tuple(range(x.rank)), _factors(b, scales), _Sampling(mode))


@lowers("Resize", since=10)
def resize_of_10(b: OnnxBuilder, x: Value, scales: Value, *, mode: _Mode = "nearest") -> Value:
    return _by_factors(b, x, tuple(range(x.rank)), _factors(b, scales), _Sampling(mode))


@lowers("Resize", since=11)
def resize(
    b: OnnxBuilder,
    x: Value,
    roi: Value | None = None,
    scales: Value | None = None,
    sizes: Value | None = None,
    *,
    antialias: bool = False,
    axes: tuple[int, ...] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: bool = False,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: _Policy = "stretch",
    mode: _Mode = "nearest",
    nearest_mode: _Nearest = "round_prefer_floor",
) -> Value:
    """By factors or to given sizes. `roi` and extrapolation_value mean something for tf_crop_and_resize only."""
    if coordinate_transformation_mode not in get_args(_Coordinates):
        raise UnsupportedModel(f"Resize: coordinates {coordinate_transformation_mode}")
    along = tuple(range(x.rank)) if axes is None else normal_axes(axes, x.rank)
    coordinates = cast(_Coordinates, coordinate_transformation_mode)
    how = _Sampling(mode, coordinates, nearest_mode, cubic_coeff_a, exclude_outside, antialias)
    if sizes is None or sizes.shape == (0,):
        if scales is None:
            raise MalformedModel("Resize has neither scales nor sizes")
        return _by_factors(b, x, along, _factors(b, scales), how)
    wanted = b.sizes(sizes)
    if wanted is None:
        raise UnsupportedModel("Resize: sizes must depend on nothing but input shapes")
    if len(wanted) != len(along):
        raise MalformedModel(f"Resize: {len(wanted)} sizes for {len(along)} axes")
    have = [x.shape[axis] for axis in along]
    factors = [_ratio(w, h) for w, h in zip(wanted, have, strict=True)]
    if keep_aspect_ratio_policy == "stretch":
        return _resized(b, x, along, wanted, factors, how)
    factor = min(factors) if keep_aspect_ratio_policy == "not_larger" else max(factors)
    kept = [math.floor(h * factor + 0.5) if isinstance(h, int) else _scaled(h, factor) for h in have]
    return _resized(b, x, along, kept, [factor] * len(along), how)


@lowers("DepthToSpace")
def depth_to_space(b: OnnxBuilder, x: Value, *, blocksize: int, mode: Literal["DCR", "CRD"] = "DCR") -> Value:
    return b.depth_to_space(x, block=blocksize, mode=mode)


@lowers("SpaceToDepth")
def space_to_depth(b: OnnxBuilder, x: Value, *, blocksize: int, mode: Literal["DCR", "CRD"] = "DCR") -> Value:
    if mode == "DCR" or x.rank != 4:
        return b.space_to_depth(x, block=blocksize)
    if blocksize < 1:
        raise MalformedModel(f"SpaceToDepth: blocksize is {blocksize}")
    n, c, h, w = x.shape
    split = b.reshape(x, shape=(n, c, h // blocksize, blocksize, w // blocksize, blocksize))
    moved = b.transpose(split, perm=(0, 1, 3, 5, 2, 4))
    return b.reshape(moved, shape=(n, c * blocksize * blocksize, h // blocksize, w // blocksize))


@lowers("GridSample")
def grid_sample(
    b: OnnxBuilder,
    x: Value,
    grid: Value,
    *,
    align_corners: bool = False,
    mode: Literal["linear", "nearest", "cubic", "bilinear", "bicubic"] = "linear",
    padding_mode: Literal["zeros", "border", "reflection"] = "zeros",
) -> Value:
    """Before operator set 20 modes were called bilinear and bicubic."""
    new = cast(_Mode, mode.removeprefix("bi"))
    return b.grid_sample(x, grid, mode=new, padding=padding_mode, align_corners=align_corners)


def _by_factors(b: OnnxBuilder, x: Value, axes: tuple[int, ...], factors: Sequence[float], how: _Sampling) -> Value:
    if len(factors) != len(axes):
        raise MalformedModel(f"{len(factors)} scales for {len(axes)} axes")
    if min(factors, default=1.0) <= 0:
        raise MalformedModel(f"scales {list(factors)} must be positive")
    sizes = [_scaled(x.shape[axis], factor) for axis, factor in zip(axes, factors, strict=True)]
    return _resized(b, x, axes, sizes, factors, how)


def _resized(
    b: OnnxBuilder, x: Value, axes: tuple[int, ...], sizes: Sequence[Dim], factors: Sequence[float], how: _Sampling
) -> Value:
    moved = [i for i, axis in enumerate(axes) if factors[i] != 1.0 or equal(sizes[i], x.shape[axis]) is not True]
    if not moved:
        return x
    return b.resize(
        x,
        axes=tuple(axes[i] for i in moved),
        sizes=tuple(sizes[i] for i in moved),
        scales=tuple(float(factors[i]) for i in moved),
        mode=how.mode,
        coordinates=how.coordinates,
        nearest=how.nearest,
        cubic_coefficient=how.cubic_coefficient,
        exclude_outside=how.exclude_outside,
        antialias=how.antialias,
    )


def _factors(b: OnnxBuilder, scales: Value) -> tuple[float, ...]:
    found = b.numbers(scales)
    if found is None:
        raise UnsupportedModel("Resize: scales must be constant, but are computed from inputs")
    return tuple(float(str(each)) for each in found.reshape(-1))


def _scaled(size: Dim, factor: float) -> Dim:
    """floor(size * factor), as an expression where the factor is a simple fraction."""
    if isinstance(size, int):
        return math.floor(size * factor)
    fraction = Fraction(factor).limit_denominator(_LARGEST_DENOMINATOR)
    if float(fraction) != factor:
        raise UnsupportedModel(f"Resize: scale {factor} of the symbolic size {size}")
    return floordiv(size * fraction.numerator, fraction.denominator)


def _ratio(size: Dim, before: Dim) -> float:
    """size / before, where it is a number."""
    if isinstance(size, int) and isinstance(before, int) and before:
        return size / before
    if size == 0 or before == 0:
        raise MalformedModel(f"Resize from {before} to {size}")
    if equal(floordiv(size, before) * before, size) is True and isinstance(r := size // before, int) and r:
        return float(r)
    if equal(floordiv(before, size) * size, before) is True and isinstance(r := before // size, int) and r:
        return 1 / r
    raise UnsupportedModel(
        f"Resize from {before} to {size}: the ratio depends on symbolic sizes", hint="give fixed sizes with inputs="
    )
