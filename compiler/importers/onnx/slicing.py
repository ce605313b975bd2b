"""Slice: Python's slices, with bounds that may be negative, out of range, symbolic or computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import normal_axes
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.ir.dim import Dim, Shape, less_equal, maximum, minimum
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value

_FAR = (1 << 31) - 1
"""From here on exporters mean "to the end"."""


@lowers("Slice", since=10)
def slice_(
    b: OnnxBuilder,
    x: Value,
    starts: Value,
    ends: Value,
    axes: Value | None = None,
    steps: Value | None = None,
) -> Value:
    (count,) = starts.shape if starts.rank == 1 else (None,)
    if not isinstance(count, int):
        raise UnsupportedModel(f"Slice: {starts} must be a vector of known length")
    along = tuple(range(count)) if axes is None else b.integers(axes, "Slice: axes")
    strides = (1,) * count if steps is None else b.integers(steps, "Slice: steps")
    along = normal_axes(along, x.rank)
    if not count == len(along) == len(strides) or ends.shape != (count,):
        raise MalformedModel("Slice: starts, ends, axes and steps are not equally long")
    if 0 in strides:
        raise MalformedModel("Slice: a step is 0")
    first, last = b.sizes(starts), b.sizes(ends)
    if first is not None and last is not None:
        ranges = [_range(*each) for each in zip((x.shape[a] for a in along), first, last, strides, strict=True)]
        if all(each is not None for each in ranges):
            return _sliced(b, x, along, [each for each in ranges if each is not None], strides)
    return b.dynamic_slice(x, starts, ends, axes=along, steps=strides)


@lowers("Slice")
def slice_by_attributes(
    b: OnnxBuilder, x: Value, *, starts: tuple[int, ...], ends: tuple[int, ...], axes: tuple[int, ...] | None = None
) -> Value:
    along = normal_axes(range(len(starts)) if axes is None else axes, x.rank)
    if not len(starts) == len(ends) == len(along):
        raise MalformedModel("Slice: starts, ends and axes are not equally long")
    ranges = [_range(x.shape[a], s, e, 1) for a, s, e in zip(along, starts, ends, strict=True)]
    return _sliced(b, x, along, [each for each in ranges if each is not None], (1,) * len(along))


@dataclass(frozen=True)
class _Range:
    """start <= stop within 0..size, counted from the end of the axis where it is reversed."""

    start: Dim
    stop: Dim
    is_all: bool


def _range(size: Dim, start: Dim, stop: Dim, step: int) -> _Range | None:
    """None where the sign of a symbolic bound is unknown."""
    if step > 0:
        first, last = _position(start, size, 0, size), _position(stop, size, 0, size)
    else:
        # Position p from the front is size - 1 - p from the back; -1 stands for before the first element.
        front = _position(start, size, -1, size - 1), _position(stop, size, -1, size - 1)
        first, last = (None if p is None else size - 1 - p for p in front)
    if first is None or last is None:
        return None
    last = maximum(first, last)
    return _Range(first, last, first == 0 and last == size)


def _position(at: Dim, size: Dim, low: Dim, high: Dim) -> Dim | None:
    """A bound as Python clamps it: negative ones count from the end."""
    if isinstance(at, int) and at >= _FAR:
        return high
    if isinstance(at, int) and at <= -_FAR:
        return low
    if less_equal(0, at) is True:
        return minimum(at, high)
    if less_equal(at, -1) is True:
        return maximum(at + size, low)
    return None


def _sliced(b: OnnxBuilder, x: Value, axes: Sequence[int], ranges: Sequence[_Range], steps: Sequence[int]) -> Value:
    backward = tuple(axis for axis, step in zip(axes, steps, strict=True) if step < 0)
    if backward:
        x = b.reverse(x, axes=backward)
    kept = [i for i, each in enumerate(ranges) if not (each.is_all and abs(steps[i]) == 1)]
    if not kept:
        return x
    starts: Shape = tuple(ranges[i].start for i in kept)
    stops: Shape = tuple(ranges[i].stop for i in kept)
    return b.slice(
        x, axes=tuple(axes[i] for i in kept), starts=starts, stops=stops, steps=tuple(abs(steps[i]) for i in kept)
    )
