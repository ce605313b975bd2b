"""Interpolation arithmetic behind resize and grid_sample."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from isthmus.ir.types import Array


def interpolation_matrix(
    size: int,
    out: int,
    scale: float,
    mode: str,
    coordinates: str,
    nearest: str,
    cubic: float,
    exclude_outside: bool,
    antialias: bool,
) -> Array:
    """Weights [out, size] of one resized axis."""
    at = _source_positions(size, out, scale, coordinates)
    if mode == "nearest":
        taps, weights = _nearest(at, nearest)[:, None], np.ones((out, 1))
    else:
        stretch = max(1.0, 1 / scale) if antialias else 1.0
        reach = (1 if mode == "linear" else 2) * stretch
        first = np.floor(at - reach).astype(np.int64) + 1
        taps = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 1)
        distance = np.abs(taps - at[:, None]) / stretch
        weights = np.maximum(1 - distance, 0) if mode == "linear" else _cubic(distance, cubic)
    inside = (taps >= 0) & (taps < size)
    if exclude_outside:
        weights = weights * inside
    weights = weights / weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((out, size))
    np.add.at(matrix, (np.arange(out)[:, None], np.clip(taps, 0, size - 1)), weights)
    return matrix


def grid_coordinates(grid: Array, sizes: Sequence[int], padding: str, align_corners: bool) -> list[Array]:
    """Per spatial axis (outermost first) the element coordinates that a [-1, 1] grid names, after padding rules."""
    places = []
    for axis, size in enumerate(sizes):
        unit = grid[..., len(sizes) - 1 - axis].astype(np.float64)
        at = (unit + 1) / 2 * (size - 1) if align_corners else ((unit + 1) * size - 1) / 2
        places.append(_bring_inside(at, size, padding, align_corners))
    return places


def sample(x: Array, places: Sequence[Array], mode: str, padding: str, align_corners: bool) -> Array:
    """x [N, C, *s] interpolated at places (per axis [N, *o]); what lies outside is handled by `padding`."""
    taps = [_grid_taps(at, mode) for at in places]
    total: Array = np.zeros((*x.shape[:2], *places[0].shape[1:]), np.float64)
    for choice in product(*taps):
        weight = np.prod([w for _, w in choice], axis=0)
        total = total + weight[:, None] * _fetch(x, [i for i, _ in choice], padding, align_corners)
    return total


def _source_positions(size: int, out: int, scale: float, coordinates: str) -> Array:
    i = np.arange(out, dtype=np.float64)
    if coordinates == "align_corners":
        length = scale * size
        return i * (size - 1) / (length - 1) if out > 1 else i * 0
    if coordinates == "asymmetric":
        return i / scale
    if coordinates == "pytorch_half_pixel" and out == 1:
        return i * 0
    if coordinates == "half_pixel_symmetric":
        adjusted = out / (scale * size)
        return size / 2 * (1 - adjusted) + (i + 0.5) / scale - 0.5
    return (i + 0.5) / scale - 0.5


def _nearest(at: Array, rule: str) -> Array:
    if rule == "floor":
        return np.floor(at).astype(np.int64)
    if rule == "ceil":
        return np.ceil(at).astype(np.int64)
    rounded = np.ceil(at - 0.5) if rule == "round_prefer_floor" else np.floor(at + 0.5)
    return rounded.astype(np.int64)


def _cubic(distance: Array, a: float) -> Array:
    d = distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def _bring_inside(at: Array, size: int, padding: str, align_corners: bool) -> Array:
    if padding == "border":
        return np.clip(at, 0, size - 1)
    if padding == "reflection":
        return _reflect(at, size, align_corners)
    return at


def _reflect(at: Array, size: int, align_corners: bool) -> Array:
    low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
    period = high - low
    if period == 0:
        return np.zeros_like(at)
    folded = np.mod(at - low, 2 * period)
    return np.clip(np.where(folded > period, 2 * period - folded, folded) + low, 0, size - 1)


def _grid_taps(at: Array, mode: str) -> list[tuple[Array, Array]]:
    if mode == "nearest":
        return [(np.rint(at), np.ones_like(at))]
    base = np.floor(at)
    offsets = (0, 1) if mode == "linear" else (-1, 0, 1, 2)
    distances = [np.abs(at - (base + o)) for o in offsets]
    return [
        (base + o, 1 - d if mode == "linear" else _cubic(d, -0.75)) for o, d in zip(offsets, distances, strict=True)
    ]


def _fetch(x: Array, indices: Sequence[Array], padding: str, align_corners: bool) -> Array:
    sizes = x.shape[2:]
    if padding != "zeros":
        indices = [_bring_inside(i, n, padding, align_corners) for i, n in zip(indices, sizes, strict=True)]
    inside = np.all([(i >= 0) & (i < n) for i, n in zip(indices, sizes, strict=True)], axis=0)
    batch = np.arange(x.shape[0]).reshape(-1, *[1] * (indices[0].ndim - 1))
    safe = tuple(np.clip(np.nan_to_num(i), 0, n - 1).astype(np.int64) for i, n in zip(indices, sizes, strict=True))
    found = np.moveaxis(x[(batch, slice(None), *safe)], -1, 1)
    return np.where(inside[:, None], found, 0)
