"""Ops that rearrange elements. What they are given as tensors becomes attributes where it is known."""

from __future__ import annotations

from typing import Literal

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.args import (
    axis_from,
    converted,
    index_vector,
    normal_axes,
    normal_axis,
    rank_from,
    reshaped,
    resolved_shape,
    scalar,
)
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.operands import PartialShape
from isthmus.ir.dim import Dim, equal, less_equal
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I32, DType

# -- sizes -------------------------------------------------------------------------------------------------------------


@lowers("Shape")
def shape(b: TfBuilder, x: Value, *, out_type: DType = I32) -> Value:
    return converted(b, b.shape_of(x), out_type)


@lowers("ShapeN")
def shape_n(b: TfBuilder, *xs: Value, n: int, out_type: DType = I32) -> tuple[Value, ...]:
    return tuple(converted(b, b.shape_of(x), out_type) for x in xs)


@lowers("Size")
def size(b: TfBuilder, x: Value, *, out_type: DType = I32) -> Value:
    return converted(b, b.reshape(b.dims((x.type.numel(),)), shape=()), out_type)


@lowers("Rank")
def rank(b: TfBuilder, x: Value) -> Value:
    return b.const(np.array(x.rank, np.int32))


@lowers("BroadcastArgs")
def broadcast_args(b: TfBuilder, x: Value, y: Value) -> Value:
    """The shape that two shapes broadcast to."""
    shapes = [b.sizes(v) for v in (x, y)]
    if any(each is None for each in shapes):
        raise UnsupportedModel("BroadcastArgs of shapes that depend on data")
    sides = [b.full(b.const(0.0), shape=each) for each in shapes if each is not None]
    return converted(b, b.dims(b.add(*sides).shape), x.dtype)


# -- the same elements in another shape --------------------------------------------------------------------------------


@lowers("Reshape")
def reshape(b: TfBuilder, x: Value, target: Value) -> Value:
    wanted = b.sizes(target)
    if wanted is not None:
        return reshaped(b, x, resolved_shape(x, wanted))
    rank_from(target, "Reshape")
    return b.dynamic_reshape(x, index_vector(b, target))


@lowers("Squeeze")
def squeeze(b: TfBuilder, x: Value, *, squeeze_dims: tuple[int, ...] = ()) -> Value:
    """Without axes every dimension of size 1 goes."""
    gone = normal_axes(squeeze_dims, x.rank)
    if not gone:
        if any(not isinstance(d, int) for d in x.shape):
            raise UnsupportedModel(f"Squeeze without axes of {x}: a symbolic size may be 1")
        gone = tuple(i for i, d in enumerate(x.shape) if d == 1)
    for axis in gone:
        if equal(x.shape[axis], 1) is False:
            raise MalformedModel(f"Squeeze: axis {axis} of {x} is not 1")
    return _squeezed(b, x, gone)


@lowers("ExpandDims")
def expand_dims(b: TfBuilder, x: Value, axis: Value) -> Value:
    return _expanded(b, x, axis_from(b, axis, x.rank + 1, "ExpandDims"))


@lowers("Transpose", "ConjugateTranspose")
def transpose(b: TfBuilder, x: Value, perm: Value) -> Value:
    order = normal_axes(b.integers(perm, "Transpose: the permutation"), x.rank)
    return x if order == tuple(range(x.rank)) else b.transpose(x, perm=order)


@lowers("Reverse")
def reverse(b: TfBuilder, x: Value, flags: Value) -> Value:
    axes = tuple(i for i, flag in enumerate(b.integers(flags, "Reverse: the axes")) if flag)
    return b.reverse(x, axes=axes)


@lowers("ReverseV2")
def reverse_v2(b: TfBuilder, x: Value, axes: Value) -> Value:
    return b.reverse(x, axes=normal_axes(b.integers(axes, "ReverseV2: axes"), x.rank))


@lowers("ReverseSequence")
def reverse_sequence(b: TfBuilder, x: Value, lengths: Value, *, seq_dim: int, batch_dim: int = 0) -> Value:
    """In each row the first so many elements are reversed."""
    along, batch = normal_axis(seq_dim, x.rank), normal_axis(batch_dim, x.rank)
    order = (batch, along, *(i for i in range(x.rank) if i not in (batch, along)))
    rows = b.transpose(x, perm=order)
    places = b.iota(dtype=lengths.dtype, shape=rows.shape[:2], axis=1)
    ends = b.reshape(lengths, shape=(lengths.shape[0], 1))
    mirrored = b.where(b.less(places, ends), b.sub(b.sub(ends, 1), places), places)
    found = b.gather_nd(rows, b.reshape(mirrored, shape=(*rows.shape[:2], 1)), batch_dims=1)
    return b.transpose(found, perm=tuple(order.index(i) for i in range(x.rank)))


# -- joining and cutting -----------------------------------------------------------------------------------------------


@lowers("ConcatV2")
def concat(b: TfBuilder, *operands: Value, n: int) -> Value:
    *xs, axis = operands
    return _concat(b, xs, axis)


@lowers("Concat")
def concat_v1(b: TfBuilder, axis: Value, *xs: Value, n: int) -> Value:
    return _concat(b, list(xs), axis)


@lowers("Pack")
def pack(b: TfBuilder, *xs: Value, n: int, axis: int = 0) -> Value:
    if not xs:
        raise MalformedModel("Pack of no tensors")
    at = normal_axis(axis, xs[0].rank + 1)
    parts = [b.reshape(x, shape=(*x.shape[:at], 1, *x.shape[at:])) for x in xs]
    return b.concat(*parts, axis=at) if len(parts) > 1 else parts[0]


@lowers("ParallelConcat")
def parallel_concat(b: TfBuilder, *xs: Value, n: int, shape: PartialShape) -> Value:
    return b.concat(*xs, axis=0)


@lowers("Unpack")
def unpack(b: TfBuilder, x: Value, *, num: int, axis: int = 0) -> tuple[Value, ...]:
    at = normal_axis(axis, x.rank)
    rest = (*x.shape[:at], *x.shape[at + 1 :])
    return tuple(reshaped(b, part, rest) for part in _split(b, x, at, (1,) * _checked(num)))


@lowers("Split")
def split(b: TfBuilder, axis: Value, x: Value, *, num_split: int) -> tuple[Value, ...]:
    at = axis_from(b, axis, x.rank, "Split")
    each = x.shape[at] // _checked(num_split)
    if equal(each * num_split, x.shape[at]) is False:
        raise MalformedModel(f"Split: axis {at} of {x} does not make {num_split} equal parts")
    return _split(b, x, at, (each,) * num_split)


@lowers("SplitV")
def split_v(b: TfBuilder, x: Value, sizes: Value, axis: Value, *, num_split: int) -> tuple[Value, ...]:
    at = axis_from(b, axis, x.rank, "SplitV")
    known = b.sizes(sizes)
    if known is None:
        raise UnsupportedModel("SplitV: sizes must depend on nothing but input shapes")
    given = [d for d in known if equal(d, -1) is not True]
    if len(given) + 1 < len(known):
        raise MalformedModel("SplitV: more than one size is -1")
    rest: Dim = x.shape[at]
    for d in given:
        rest = rest - d
    return _split(b, x, at, tuple(rest if equal(d, -1) is True else d for d in known))


# -- repetition and padding --------------------------------------------------------------------------------------------


@lowers("BroadcastTo")
def broadcast_to(b: TfBuilder, x: Value, target: Value) -> Value:
    wanted = b.sizes(target)
    if wanted is None:
        rank_from(target, "BroadcastTo")
        return b.dynamic_expand(x, index_vector(b, target))
    return x if x.shape == wanted else b.expand(x, shape=wanted)


@lowers("Tile")
def tile(b: TfBuilder, x: Value, repeats: Value) -> Value:
    known = b.sizes(repeats)
    if known is None:
        return b.dynamic_tile(x, index_vector(b, repeats))
    return x if all(d == 1 for d in known) else b.tile(x, repeats=known)


@lowers("Pad")
def pad(b: TfBuilder, x: Value, paddings: Value) -> Value:
    return _padded(b, x, paddings, None, "constant")


@lowers("PadV2")
def pad_v2(b: TfBuilder, x: Value, paddings: Value, fill: Value) -> Value:
    return _padded(b, x, paddings, scalar(b, fill), "constant")


@lowers("MirrorPad")
def mirror_pad(b: TfBuilder, x: Value, paddings: Value, *, mode: str) -> Value:
    """SYMMETRIC repeats the edge; it is put together from reversed parts."""
    if mode == "REFLECT":
        return _padded(b, x, paddings, None, "reflect")
    known = b.sizes(paddings)
    if known is None or mode != "SYMMETRIC":
        raise UnsupportedModel(f"MirrorPad {mode} by computed amounts")
    for axis, (low, high) in enumerate(zip(known[::2], known[1::2], strict=True)):
        parts = [x]
        if low != 0:
            parts.insert(0, b.reverse(_part(b, x, axis, 0, low), axes=(axis,)))
        if high != 0:
            parts.append(b.reverse(_part(b, x, axis, x.shape[axis] - high, x.shape[axis]), axes=(axis,)))
        x = b.concat(*parts, axis=axis) if len(parts) > 1 else x
    return x


def _squeezed(b: TfBuilder, x: Value, axes: tuple[int, ...]) -> Value:
    made = reshaped(b, x, [d for i, d in enumerate(x.shape) if i not in axes])
    if (known := b.walk.wholes.get(x)) is not None:
        whole = known.without_axes(_squeezed(b, known.value, axes), axes)
        if whole is not None:
            b.walk.wholes[made] = whole
    return made


def _expanded(b: TfBuilder, x: Value, axis: int) -> Value:
    made = b.reshape(x, shape=(*x.shape[:axis], 1, *x.shape[axis:]))
    if (known := b.walk.wholes.get(x)) is not None:
        b.walk.wholes[made] = known.with_axis(_expanded(b, known.value, axis), axis)
    return made


def _concat(b: TfBuilder, xs: list[Value], axis: Value) -> Value:
    if not xs:
        raise MalformedModel("Concat of no tensors")
    at = axis_from(b, axis, xs[0].rank, "Concat")
    return b.concat(*xs, axis=at) if len(xs) > 1 else xs[0]


def _split(b: TfBuilder, x: Value, axis: int, sizes: tuple[Dim, ...]) -> tuple[Value, ...]:
    return (x,) if len(sizes) == 1 else tuple(b.split(x, axis=axis, sizes=sizes))


_MOST_PARTS = 4096


def _checked(count: int) -> int:
    if not 1 <= count <= _MOST_PARTS:
        raise UnsupportedModel(f"a tensor cut into {count} parts")
    return count


def _part(b: TfBuilder, x: Value, axis: int, start: Dim, stop: Dim) -> Value:
    return b.slice(x, axes=(axis,), starts=(start,), stops=(stop,), steps=(1,))


def _padded(b: TfBuilder, x: Value, paddings: Value, fill: Value | None, mode: Literal["constant", "reflect"]) -> Value:
    known = b.sizes(paddings)
    if known is None or any(less_equal(0, d) is None for d in known):
        amounts = b.reshape(b.transpose(paddings, perm=(1, 0)), shape=(2 * x.rank,))
        return b.dynamic_pad(x, index_vector(b, amounts), fill, mode=mode)
    pairs = tuple(zip(known[::2], known[1::2], strict=True))
    if all(side == 0 for pair in pairs for side in pair):
        return x
    return b.pad(x, fill, pads=pairs, mode=mode)
