"""Slice and StridedSlice: bounds that may be negative, out of range, symbolic or computed, and masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.args import converted, index_vector, normal_axis, rank_from, reshaped
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.ir.dim import Dim, Shape, equal, less_equal, maximum, minimum
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64


@lowers("Slice")
def slice_(b: TfBuilder, x: Value, begin: Value, size: Value) -> Value:
    """`size` elements from `begin` on, -1 for all that remain."""
    if rank_from(begin, "Slice") != x.rank or rank_from(size, "Slice") != x.rank:
        raise MalformedModel(f"Slice: {begin} and {size} for {x}")
    first, counts = b.sizes(begin), b.sizes(size)
    axes = tuple(range(x.rank))
    if first is not None and counts is not None:
        last = [
            n if equal(count, -1) is True else start + count
            for start, count, n in zip(first, counts, x.shape, strict=True)
        ]
        kept = [i for i in axes if not (first[i] == 0 and equal(last[i], x.shape[i]) is True)]
        if not kept:
            return x
        pick = tuple(kept)
        return b.slice(
            x,
            axes=pick,
            starts=tuple(first[i] for i in pick),
            stops=tuple(last[i] for i in pick),
            steps=(1,) * len(pick),
        )
    starts, sizes = index_vector(b, begin), index_vector(b, size)
    stops = b.where(b.less(sizes, 0), b.dims(x.shape), b.add(starts, sizes))
    found = b.dynamic_slice(x, starts, stops, axes=axes, steps=(1,) * x.rank)
    if counts is not None and all(less_equal(0, d) is True for d in counts):
        return b.reshape(found, shape=counts)
    return found


@lowers("StridedSlice")
def strided_slice(
    b: TfBuilder,
    x: Value,
    begin: Value,
    end: Value,
    strides: Value,
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Value:
    """Python's subscripts: each entry is a range, an index (shrink), a new axis, or the ellipsis."""
    count = rank_from(begin, "StridedSlice")
    steps = b.integers(strides, "StridedSlice: strides")
    if len(steps) != count or rank_from(end, "StridedSlice") != count or 0 in steps:
        raise MalformedModel(f"StridedSlice: {count} starts, strides {list(steps)}")
    bounds = _Bounds(b, begin, end)
    cuts: list[_Cut] = []
    shape: list[int | None] = []  # the result's axes: one of x, or None for a new one
    axis = 0
    for i in range(count):
        bit = 1 << i
        if ellipsis_mask & bit:
            left = sum(1 for j in range(i + 1, count) if not new_axis_mask & (1 << j))
            reach = x.rank - axis - left
            shape += range(axis, axis + reach)
            axis += reach
        elif new_axis_mask & bit:
            shape.append(None)
        else:
            if axis >= x.rank:
                raise MalformedModel(f"StridedSlice: {count} entries for {x}")
            shrink = bool(shrink_axis_mask & bit)
            cut = bounds.cut(i, axis, x.shape[axis], steps[i], bool(begin_mask & bit), bool(end_mask & bit), shrink)
            cuts.append(cut)
            if not shrink:
                shape.append(axis)
            axis += 1
    shape += range(axis, x.rank)
    found = _cut(b, x, cuts)
    return reshaped(b, found, [1 if i is None else found.shape[i] for i in shape])


@dataclass(frozen=True)
class _Cut:
    """What is kept of one axis. `start` and `stop` lie within it, counted from its end where the step is negative."""

    axis: int
    step: int
    start: Dim | None
    """None where a bound is known at run time only."""
    stop: Dim | None
    first: Value | None = None
    last: Value | None = None
    """The bounds as tensors, where they are not known."""
    single: bool = False


class _Bounds:
    """The starts and ends of a StridedSlice."""

    def __init__(self, b: TfBuilder, begin: Value, end: Value) -> None:
        self._b = b
        self._operands = begin, end
        self._known = [self._each(v) for v in (begin, end)]

    def _each(self, vector: Value) -> list[Dim | None]:
        known = self._b.sizes(vector)
        if known is not None:
            return list(known)
        node = vector.node
        if node is not None and node.op.name == "concat":  # Pack of known and computed bounds
            parts = [self._b.sizes(v) for v in node.inputs]
            return [d for p, v in zip(parts, node.inputs, strict=True) for d in p or self._unknown(v)]
        return self._unknown(vector)

    def _unknown(self, vector: Value) -> list[Dim | None]:
        return [None] * rank_from(vector, "StridedSlice")

    def cut(self, i: int, axis: int, size: Dim, step: int, from_start: bool, to_end: bool, shrink: bool) -> _Cut:
        """Entry number i as what it keeps of an axis."""
        start, stop = self._known[0][i], self._known[1][i]
        if shrink:
            at = None if start is None else _index(start, size)
            if at is None:
                return _Cut(axis, 1, None, None, self._tensor(0, i), single=True)
            return _Cut(axis, 1, at, at + 1, single=True)
        low, high = (0, size) if step > 0 else (-1, size - 1)
        near, far = (low, high) if step > 0 else (high, low)
        first = near if from_start else None if start is None else _position(start, size, low, high)
        last = far if to_end else None if stop is None else _position(stop, size, low, high)
        if first is None or last is None:
            return _Cut(axis, step, None, None, self._bound(0, i, from_start, step), self._bound(1, i, to_end, step))
        if step < 0:
            first, last = size - 1 - first, size - 1 - last
        return _Cut(axis, step, first, maximum(first, last))

    def _tensor(self, side: int, i: int) -> Value:
        b = self._b
        part = b.slice(self._operands[side], axes=(0,), starts=(i,), stops=(i + 1,), steps=(1,))
        return converted(b, part, I64)

    def _bound(self, side: int, i: int, open_: bool, step: int) -> Value:
        if not open_:
            return self._tensor(side, i)
        forward = (step > 0) == (side == 1)
        edge = np.iinfo(np.int32).max if forward else 0 if side == 0 else np.iinfo(np.int32).min
        return self._b.const(np.array([edge], np.int64))


def _cut(b: TfBuilder, x: Value, cuts: list[_Cut]) -> Value:
    """x with its axes cut; the rank stays."""
    known = [c for c in cuts if c.start is not None and c.stop is not None]
    backward = tuple(c.axis for c in known if c.step < 0)
    x = b.reverse(x, axes=backward) if backward else x
    kept = [c for c in known if not (c.start == 0 and equal(c.stop, x.shape[c.axis]) is True and abs(c.step) == 1)]  # type: ignore[arg-type]
    if kept:
        starts: Shape = tuple(c.start for c in kept if c.start is not None)
        stops: Shape = tuple(c.stop for c in kept if c.stop is not None)
        axes, steps = tuple(c.axis for c in kept), tuple(abs(c.step) for c in kept)
        x = b.slice(x, axes=axes, starts=starts, stops=stops, steps=steps)
    for c in cuts:
        if c.start is not None or c.first is None:
            continue
        if c.single:
            x = b.gather(x, c.first, axis=c.axis)
        elif c.last is not None:
            x = b.dynamic_slice(x, c.first, c.last, axes=(c.axis,), steps=(c.step,))
    return x


def _index(at: Dim, size: Dim) -> Dim | None:
    """An index counted from the start; None where its sign is unknown."""
    if less_equal(0, at) is True:
        found = at
    elif less_equal(at, -1) is True:
        found = at + size
    else:
        return None
    if less_equal(found + 1, size) is False or less_equal(0, found) is False:
        raise MalformedModel(f"index {at} lies outside a dimension of {size}")
    return found


def _position(at: Dim, size: Dim, low: Dim, high: Dim) -> Dim | None:
    """A bound as Python clamps it: negative ones count from the end. None where its sign is unknown."""
    if less_equal(0, at) is True:
        return minimum(at, high)
    if less_equal(at, -1) is True:
        return maximum(at + size, low)
    return None


@lowers("Roll")
def roll(b: TfBuilder, x: Value, shift: Value, axis: Value) -> Value:
    """Elements move by `shift` along each axis; those that leave at the end come back at the start."""
    along = [normal_axis(each, x.rank) for each in b.integers(axis, "Roll: the axes")]
    amounts = b.sizes(shift)
    for i, at in enumerate(along):
        size, by = x.shape[at], None if amounts is None else amounts[i]
        if isinstance(size, int) and isinstance(by, int):
            cut = (-by) % size if size else 0
            x = b.concat(_between(b, x, at, cut, size), _between(b, x, at, 0, cut), axis=at)
        else:
            each = converted(b, _between(b, reshaped(b, shift, (len(along),)), 0, i, i + 1), I64)
            places = b.sub(b.iota(dtype=I64, shape=(size,), axis=0), each)
            x = b.gather(x, b.mod(places, b.dims((size,))), axis=at)
    return x


def _between(b: TfBuilder, x: Value, axis: int, start: int, stop: int) -> Value:
    return b.slice(x, axes=(axis,), starts=(start,), stops=(stop,), steps=(1,))


@lowers("TensorStridedSliceUpdate")
def strided_slice_update(
    b: TfBuilder,
    x: Value,
    begin: Value,
    end: Value,
    strides: Value,
    update: Value,
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Value:
    """x with what StridedSlice would read replaced: the places are found by slicing the elements' own numbers."""
    if not x.type.is_static:
        raise UnsupportedModel(f"TensorStridedSliceUpdate of {x}: its sizes are symbolic")
    masks = {
        "begin_mask": begin_mask,
        "end_mask": end_mask,
        "ellipsis_mask": ellipsis_mask,
        "new_axis_mask": new_axis_mask,
        "shrink_axis_mask": shrink_axis_mask,
    }
    count = x.type.numel()
    numbers = b.reshape(b.iota(dtype=I64, shape=(count,), axis=0), shape=x.shape)
    places = strided_slice(b, numbers, begin, end, strides, **masks)
    filled = update if update.shape == places.shape else b.expand(update, shape=places.shape)
    size = places.type.numel()
    flat = b.reshape(x, shape=(count,))
    found = b.scatter_nd(flat, b.reshape(places, shape=(size, 1)), b.reshape(filled, shape=(size,)))
    return b.reshape(found, shape=x.shape)


@lowers("XlaDynamicUpdateSlice")
def xla_update_slice(b: TfBuilder, x: Value, update: Value, starts: Value) -> Value:
    """x with a window replaced. Starts are moved until the window lies within x."""
    parts = []
    for i, (size, width) in enumerate(zip(x.shape, update.shape, strict=True)):
        start = converted(b, _between(b, starts, 0, i, i + 1), I64)
        inside = b.minimum(b.maximum(start, 0), b.dims((size - width,)))
        parts.append(b.add(b.iota(dtype=I64, shape=(*update.shape, 1), axis=i), inside))
    places = b.concat(*parts, axis=x.rank) if len(parts) > 1 else parts[0]
    return b.scatter_nd(x, places, update)
