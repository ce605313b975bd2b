"""Resampling of [N, H, W, C] images: the IR's resize where the ratio of sizes is a number, else gathers and sums."""

from __future__ import annotations

from typing import Any, Literal

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.args import converted
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.layout import from_first, to_first
from isthmus.ir.dim import Dim, equal, floordiv
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import F32, I64

_Coordinates = Literal["half_pixel", "align_corners", "asymmetric"]
_Mode = Literal["nearest", "linear", "cubic"]


@lowers("ResizeBilinear")
def resize_bilinear(
    b: TfBuilder, x: Value, size: Value, *, align_corners: bool = False, half_pixel_centers: bool = False
) -> Value:
    return _resized(b, converted(b, x, F32), size, _coordinates(align_corners, half_pixel_centers), mode="linear")


@lowers("ResizeNearestNeighbor")
def resize_nearest(
    b: TfBuilder, x: Value, size: Value, *, align_corners: bool = False, half_pixel_centers: bool = False
) -> Value:
    """Without either option the position is rounded down, else to the nearest, halves up."""
    nearest = "round_prefer_ceil" if align_corners or half_pixel_centers else "floor"
    return _resized(b, x, size, _coordinates(align_corners, half_pixel_centers), mode="nearest", nearest=nearest)


@lowers("ResizeBicubic")
def resize_bicubic(
    b: TfBuilder, x: Value, size: Value, *, align_corners: bool = False, half_pixel_centers: bool = False
) -> Value:
    """With half-pixel centres: Keys' kernel, normalised over what lies inside."""
    return _resized(
        b,
        converted(b, x, F32),
        size,
        _coordinates(align_corners, half_pixel_centers),
        mode="cubic",
        cubic_coefficient=-0.5 if half_pixel_centers else -0.75,
        exclude_outside=half_pixel_centers,
    )


def target_size(b: TfBuilder, size: Value) -> tuple[Dim, Dim]:
    known = b.sizes(size)
    if known is None or len(known) != 2:
        raise UnsupportedModel("the size to resize to must depend on nothing but input shapes")
    return known[0], known[1]


def _coordinates(align_corners: bool, half_pixel_centers: bool) -> _Coordinates:
    if align_corners:
        return "align_corners"
    return "half_pixel" if half_pixel_centers else "asymmetric"


def _resized(b: TfBuilder, x: Value, size: Value, coordinates: _Coordinates, mode: _Mode, **how: Any) -> Value:
    if x.rank != 4:
        raise MalformedModel(f"{x} is no batch of images")
    wanted = target_size(b, size)
    axes = [i for i in (1, 2) if equal(wanted[i - 1], x.shape[i]) is not True]
    if not axes:
        return x
    ratios = [_ratio(wanted[i - 1], x.shape[i]) for i in axes]
    scales = tuple(each for each in ratios if each is not None)
    if len(scales) < len(axes):
        for axis in axes:
            x = _resized_along(b, x, axis, wanted[axis - 1], coordinates, mode)
        return x
    sizes = tuple(wanted[i - 1] for i in axes)
    planes, along = to_first(b, x, "NHWC"), tuple(axis + 1 for axis in axes)
    found = b.resize(planes, axes=along, sizes=sizes, scales=scales, coordinates=coordinates, mode=mode, **how)
    return from_first(b, found, "NHWC")


def _ratio(size: Dim, before: Dim) -> float | None:
    """size / before, where it is a number."""
    if isinstance(size, int) and isinstance(before, int) and before and size:
        return size / before
    if size == 0 or before == 0:
        raise MalformedModel(f"resized from {before} to {size}")
    for a, c, invert in ((size, before, False), (before, size, True)):
        ratio = floordiv(a, c)
        if isinstance(ratio, int) and ratio and equal(ratio * c, a) is True:
            return 1 / ratio if invert else float(ratio)
    return None


def _resized_along(b: TfBuilder, x: Value, axis: int, size: Dim, coordinates: _Coordinates, mode: _Mode) -> Value:
    """One axis resized to `size`, by a ratio that is computed when the model runs, in f32 as TensorFlow does."""
    last = b.sub(_length(b, x.shape[axis]), 1.0)
    places = _places(b, x.shape[axis], size, coordinates, nearest=mode == "nearest")
    if mode == "nearest":
        rounded = b.floor(b.add(places, 0.5)) if coordinates == "align_corners" else b.floor(places)
        return b.gather(x, b.cast(b.minimum(rounded, last), dtype=I64), axis=axis)
    if mode != "linear":
        raise UnsupportedModel(
            f"bicubic resize from {x.shape[axis]} to {size}: the ratio depends on symbolic sizes",
            hint="give fixed sizes with inputs=",
        )
    below = b.floor(places)
    sides = [b.cast(b.clip(v, 0.0, last), dtype=I64) for v in (below, b.ceil(places))]
    low, high = (b.gather(x, side, axis=axis) for side in sides)
    share = b.reshape(b.sub(places, below), shape=(size, *[1] * (x.rank - 1 - axis)))
    return b.add(low, b.mul(b.sub(high, low), share))


def _places(b: TfBuilder, before: Dim, size: Dim, coordinates: _Coordinates, nearest: bool) -> Value:
    """Where each element of the result lies among those there were."""
    counted = b.cast(b.iota(dtype=I64, shape=(size,), axis=0), dtype=F32)
    if coordinates == "align_corners":
        steps = b.maximum(b.sub(_length(b, size), 1.0), 1.0)
        return b.mul(counted, b.div(b.sub(_length(b, before), 1.0), steps))
    ratio = b.div(_length(b, before), _length(b, size))
    if coordinates == "asymmetric":
        return b.mul(counted, ratio)
    centres = b.mul(b.add(counted, 0.5), ratio)
    return centres if nearest else b.sub(centres, 0.5)


def _length(b: TfBuilder, size: Dim) -> Value:
    return b.cast(b.reshape(b.dims((size,)), shape=()), dtype=F32)
