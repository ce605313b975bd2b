"""Resampling by a ratio that only running can tell: coordinates are computed, and neighbours gathered."""

from __future__ import annotations

from typing import Literal

from isthmus.compiler.importers.torch.args import expanded, reshaped
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.ir.dim import Dim, maximum
from isthmus.ir.graph import Value
from isthmus.ir.types import F32, I64

Coordinates = Literal["half_pixel", "align_corners", "asymmetric"]


def resampled(b: TorchBuilder, x: Value, axis: int, size: Dim, linear: bool, coordinates: Coordinates) -> Value:
    """x at `size` places along an axis: between two neighbours if `linear`, else the element a place lies in.

    Coordinates are f32, as torch's are (aten/src/ATen/native/UpSample.h).
    """
    have = x.shape[axis]
    if have == 1:
        return expanded(b, x, (*x.shape[:axis], size, *x.shape[axis + 1 :]))
    last = _scalar(b, have - 1)
    at = _places(b, have, size, coordinates)
    if not linear:
        at = b.add(at, 0.5) if coordinates == "half_pixel" else at
        return b.gather(x, b.minimum(b.cast(b.floor(at), dtype=I64), last), axis=axis)
    at = b.maximum(at, 0.0)
    whole = b.floor(at)
    low = b.minimum(b.cast(whole, dtype=I64), last)
    high = b.minimum(b.add(low, 1), last)
    weight = reshaped(b, b.sub(at, whole), (size, *[1] * (x.rank - axis - 1)))
    before, after = b.gather(x, low, axis=axis), b.gather(x, high, axis=axis)
    return b.add(before, b.mul(b.sub(after, before), weight))


def _places(b: TorchBuilder, have: Dim, size: Dim, coordinates: Coordinates) -> Value:
    counted = b.iota(dtype=F32, shape=(size,), axis=0)
    if coordinates == "align_corners":
        return b.mul(counted, _ratio(b, have - 1, maximum(size - 1, 1)))
    ratio = _ratio(b, have, size)
    return b.mul(counted, ratio) if coordinates == "asymmetric" else b.sub(b.mul(b.add(counted, 0.5), ratio), 0.5)


def _ratio(b: TorchBuilder, numerator: Dim, denominator: Dim) -> Value:
    return b.div(b.cast(_scalar(b, numerator), dtype=F32), b.cast(_scalar(b, denominator), dtype=F32))


def _scalar(b: TorchBuilder, dim: Dim) -> Value:
    return b.reshape(b.dims((dim,)), shape=())
