"""Ops that move elements about."""

from __future__ import annotations

import numpy as np

from isthmus.backends.emitter import emits
from isthmus.backends.openvino.emit.elementwise import selected
from isthmus.backends.openvino.network import Handle, Network
from isthmus.backends.sizes import reshape_pattern
from isthmus.ir.dim import Dim, Shape
from isthmus.ir.graph import Node
from isthmus.ir.types import F32

BEFORE_FIRST = int(np.iinfo(np.int32).min)
"""A stop below every position, for steps that run backwards."""


@emits("shape_of")
def shape_of(n: Network, x: Handle) -> Handle:
    """The sizes as i64."""
    return n.shape_of(x)


@emits("reshape")
def reshape(n: Network, x: Handle, *, shape: Shape) -> Handle:
    """Sizes that stay in place are copied (0), one more symbolic size is inferred (-1), others are computed."""
    pattern = reshape_pattern(n.x.shape, shape)
    return n.reshape(x, shape) if pattern is None else n.ops.reshape(x, n.vector(pattern), True)


@emits("dynamic_reshape")
def dynamic_reshape(n: Network, x: Handle, shape: Handle) -> Handle:
    """The engine infers a -1 too."""
    return n.ops.reshape(x, shape, False)


@emits("expand")
def expand(n: Network, x: Handle, *, shape: Shape) -> Handle:
    """One-way broadcasting."""
    return n.broadcast(x, n.x.shape, shape)


@emits("dynamic_expand")
def dynamic_expand(n: Network, x: Handle, shape: Handle) -> Handle:
    """Two-way broadcasting: axes of size 1 are tiled, because any size may be 0 (see Network.broadcast)."""
    rank, (length,) = n.x.rank, n.node.inputs[1].shape
    assert isinstance(length, int)
    have, wanted = n.shape_of(x), n.ops.convert(shape, "i64")
    if rank < length:
        have = n.ops.concat([n.vector([1] * (length - rank)), have], 0)
    if length < rank:
        wanted = n.ops.concat([n.vector([1] * (rank - length)), wanted], 0)
    repeats = n.ops.select(n.ops.equal(have, n.scalar(1)), wanted, n.scalar(1))
    return n.ops.tile(n.ops.reshape(x, have, False), repeats)


@emits("transpose")
def transpose(n: Network, x: Handle, *, perm: tuple[int, ...]) -> Handle:
    """A permutation of axes."""
    return n.ops.transpose(x, n.vector(perm))


@emits("concat")
def concat(n: Network, *xs: Handle, axis: int) -> Handle:
    """Along one axis."""
    return n.ops.concat(list(xs), axis)


@emits("split")
def split(n: Network, x: Handle, *, axis: int, sizes: Shape) -> list[Handle]:
    """Into parts of given sizes."""
    return list(n.ops.variadic_split(x, n.scalar(axis), n.dims(sizes)).outputs())


@emits("slice")
def slice_(
    n: Network, x: Handle, *, axes: tuple[int, ...], starts: Shape, stops: Shape, steps: tuple[int, ...]
) -> Handle:
    """Windows along some axes."""
    if not axes:
        return x
    return n.ops.slice(x, n.dims(starts), n.dims(stops), n.vector(steps), n.vector(axes))


@emits("reverse")
def reverse(n: Network, x: Handle, *, axes: tuple[int, ...]) -> Handle:
    """A slice that runs backwards."""
    return reversed_along(n, x, axes) if axes else x


def reversed_along(n: Network, x: Handle, axes: tuple[int, ...]) -> Handle:
    """x read backwards along `axes`."""
    count = len(axes)
    ends = n.vector([-1] * count)
    return n.ops.slice(x, ends, n.vector([BEFORE_FIRST] * count), ends, n.vector(axes))


@emits("dynamic_slice")
def dynamic_slice(
    n: Network, x: Handle, starts: Handle, stops: Handle, *, axes: tuple[int, ...], steps: tuple[int, ...]
) -> Handle:
    """The engine clamps bounds and counts negative ones from the end, as Python does."""
    return n.ops.slice(x, starts, stops, n.vector(steps), n.vector(axes))


def _wraps(node: Node) -> str | None:
    return "the engine has no wrapping padding" if node.attrs["mode"] == "wrap" else None


@emits("pad", unless=_wraps)
def pad(n: Network, x: Handle, value: Handle | None = None, *, pads: tuple[tuple[Dim, Dim], ...], mode: str) -> Handle:
    """With a value, the mirrored inside or the edge. A scalar has no side to pad."""
    if not pads:
        return x
    begins, ends = (n.dims(tuple(side[i] for side in pads)) for i in (0, 1))
    return _padded(n, x, begins, ends, value, mode)


@emits("dynamic_pad", unless=_wraps)
def dynamic_pad(n: Network, x: Handle, pads: Handle, value: Handle | None = None, *, mode: str) -> Handle:
    """The first half of `pads` before, the second after; negative ones cut."""
    begins, ends = n.ops.split(pads, n.scalar(0), 2).outputs()
    return _padded(n, x, begins, ends, value, mode)


def _padded(n: Network, x: Handle, begins: Handle, ends: Handle, value: Handle | None, mode: str) -> Handle:
    """The engine takes the value through f32, and 0 for one that is computed: then padded ones say where it goes."""
    if mode != "constant" or value is None:
        return n.ops.pad(x, begins, ends, mode, n.like(0) if mode == "constant" else None)
    if n.x.dtype.is_float and n.node.operands[-1] is not None and n.node.operands[-1].constant is not None:
        return n.ops.pad(x, begins, ends, mode, value)
    ones = n.ops.broadcast(n.scalar(1, F32), n.shape_of(x))
    inside = n.ops.less(n.scalar(0, F32), n.ops.pad(ones, begins, ends, mode, n.scalar(0, F32)))
    return selected(n, inside, n.ops.pad(x, begins, ends, mode, n.like(0)), value)


@emits("tile")
def tile(n: Network, x: Handle, *, repeats: Shape) -> Handle:
    """Laid out repeatedly. (Of a scalar, the engine's tile computes 0.)"""
    return x if not repeats else n.ops.tile(x, n.dims(repeats))


def _many_axes(node: Node) -> str | None:
    rank = node.inputs[0].rank
    return "the engine's computed repeats leave memory unwritten from four dimensions on" if rank > 3 else None


@emits("dynamic_tile", unless=_many_axes)
def dynamic_tile(n: Network, x: Handle, repeats: Handle) -> Handle:
    """Laid out a computed number of times."""
    return n.ops.tile(x, repeats)
