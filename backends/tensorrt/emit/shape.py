"""Ops that move elements about."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.backends.emitter import emits
from isthmus.backends.sizes import reshape_pattern
from isthmus.backends.tensorrt.network import Handle, Network, rank_of
from isthmus.ir.dim import Dim, Shape, ceildiv
from isthmus.ir.types import I64

SAMPLING = {"constant": "FILL", "reflect": "REFLECT", "edge": "CLAMP", "wrap": "WRAP"}
"""Padding mode -> `SampleMode` of a slice that reaches beyond its operand."""


@emits("shape_of")
def shape_of(n: Network, x: Handle) -> Handle:
    """The sizes as i64."""
    return n.shape_of(x)


@emits("reshape")
def reshape(n: Network, x: Handle, *, shape: Shape) -> Handle:
    """Sizes that stay in place are copied (0), one more symbolic size is inferred (-1), others are computed."""
    pattern = reshape_pattern(n.x.shape, shape)
    if pattern is None:
        return n.reshape(x, shape)
    layer = n.layer(n.definition.add_shuffle(x))
    layer.reshape_dims = n.trt.Dims(pattern)
    return n.of(layer)


@emits("dynamic_reshape")
def dynamic_reshape(n: Network, x: Handle, shape: Handle) -> Handle:
    """The engine infers a -1 too."""
    return n.reshape_to(x, shape)


@emits("expand")
def expand(n: Network, x: Handle, *, shape: Shape) -> Handle:
    """A slice that stays in place along the axes that repeat."""
    return n.broadcast(x, shape)


@emits("dynamic_expand")
def dynamic_expand(n: Network, x: Handle, shape: Handle) -> Handle:
    """A slice whose sizes are chosen where the computed shape is known: a 1 of either gives way."""
    rank = n.node.result.rank
    x = n.raise_rank(x, rank)
    if missing := rank - int(shape.shape[0]):
        shape = n.concat([n.vector([1] * missing), shape], 0)
    one, sizes = n.vector([1] * rank), n.shape_of(x)
    layer = n.layer(n.definition.add_slice(x, (0,) * rank, (1,) * rank, (1,) * rank))
    layer.set_input(2, n.select(n.elementwise("EQUAL", sizes, one), shape, sizes))
    layer.set_input(3, n.elementwise("MIN", one, n.elementwise("SUB", sizes, one)))
    return n.of(layer)


@emits("transpose")
def transpose(n: Network, x: Handle, *, perm: tuple[int, ...]) -> Handle:
    """A permutation of axes."""
    return n.transpose(x, perm) if perm else x


@emits("concat")
def concat(n: Network, *xs: Handle, axis: int) -> Handle:
    """Along one axis."""
    return n.concat(xs, axis)


@emits("split")
def split(n: Network, x: Handle, *, axis: int, sizes: Shape) -> list[Handle]:
    """A slice for each part."""
    parts: list[Handle] = []
    start: Dim = 0
    for size in sizes:
        parts.append(window(n, x, (axis,), (start,), (size,)))
        start = start + size
    return parts


@emits("slice")
def slice_(n: Network, x: Handle, *, axes: Sequence[int], starts: Shape, stops: Shape, steps: Sequence[int]) -> Handle:
    """A window along some axes."""
    sizes = [ceildiv(stop - start, step) for start, stop, step in zip(starts, stops, steps, strict=True)]
    return window(n, x, axes, starts, sizes, steps)


@emits("reverse")
def reverse(n: Network, x: Handle, *, axes: tuple[int, ...]) -> Handle:
    """A window that runs backwards."""
    return backwards(n, x, n.x.shape, axes)


def backwards(n: Network, x: Handle, shape: Shape, axes: Sequence[int]) -> Handle:
    """x of that shape with the order of elements along `axes` reversed."""
    turned = [axis for axis in axes if shape[axis] not in (0, 1)]
    sizes = [shape[axis] for axis in turned]
    return window(n, x, turned, [size - 1 for size in sizes], sizes, [-1] * len(turned))


def window(
    n: Network,
    x: Handle,
    axes: Sequence[int],
    starts: Sequence[Dim],
    sizes: Sequence[Dim],
    steps: Sequence[int] | None = None,
    mode: str = "STRICT_BOUNDS",
    fill: Handle | None = None,
) -> Handle:
    """`sizes` elements of x along `axes` from `starts` on, each `steps` from the one before; other axes stay whole.

    What lies outside of x is found by the `SampleMode` called `mode`; for FILL it is `fill`, a scalar (zero if None).
    """
    if not axes:
        return x
    count = len(axes)
    layer = n.layer(n.definition.add_slice(x, (0,) * count, (1,) * count, tuple(steps or (1,) * count)))
    layer.axes = n.trt.Dims(list(axes))
    layer.mode = getattr(n.trt.SampleMode, mode)
    if all(isinstance(start, int) for start in starts):
        layer.start = n.trt.Dims([start for start in starts if isinstance(start, int)])
    else:
        layer.set_input(1, n.dims(starts))
    if all(isinstance(size, int) for size in sizes):
        layer.shape = n.trt.Dims([size for size in sizes if isinstance(size, int)])
    else:
        layer.set_input(2, n.dims(sizes))
    if fill is not None:
        layer.set_input(4, fill)
    return n.of(layer)


@emits("dynamic_slice")
def dynamic_slice(
    n: Network, x: Handle, starts: Handle, stops: Handle, *, axes: tuple[int, ...], steps: tuple[int, ...]
) -> Handle:
    """A window whose bounds are counted from the end where negative, and clamped, as Python does."""
    if not axes:
        return x
    sizes = n.dims([n.x.shape[axis] for axis in axes])
    lowest = n.vector([0 if step > 0 else -1 for step in steps])
    highest = n.elementwise("SUM", sizes, lowest)
    first, end = (_bound(n, _as_i64(n, each), sizes, lowest, highest) for each in (starts, stops))
    forward = n.vector([1 if step > 0 else -1 for step in steps])
    distance = n.elementwise("PROD", n.elementwise("SUB", end, first), forward)
    room = n.elementwise("MAX", distance, n.vector([0] * len(axes)))
    rounded = n.elementwise("SUM", room, n.vector([abs(step) - 1 for step in steps]))
    layer = n.layer(n.definition.add_slice(x, (0,) * len(axes), (1,) * len(axes), steps))
    layer.axes = n.trt.Dims(list(axes))
    layer.set_input(1, first)
    layer.set_input(2, n.elementwise("FLOOR_DIV", rounded, n.vector([abs(step) for step in steps])))
    return n.of(layer)


def _bound(n: Network, at: Handle, sizes: Handle, lowest: Handle, highest: Handle) -> Handle:
    """Positions counted from the front, brought into lowest..highest."""
    negative = n.elementwise("LESS", at, n.vector([0] * int(at.shape[0])))
    counted = n.select(negative, n.elementwise("SUM", at, sizes), at)
    return n.elementwise("MIN", n.elementwise("MAX", counted, lowest), highest)


@emits("pad")
def pad(n: Network, x: Handle, value: Handle | None = None, *, pads: tuple[tuple[Dim, Dim], ...], mode: str) -> Handle:
    """A window that reaches beyond x."""
    padded = [axis for axis, pair in enumerate(pads) if pair != (0, 0)]
    starts = [-pads[axis][0] for axis in padded]
    sizes = [n.node.result.shape[axis] for axis in padded]
    return window(n, x, padded, starts, sizes, mode=SAMPLING[mode], fill=value)


@emits("dynamic_pad")
def dynamic_pad(n: Network, x: Handle, pads: Handle, value: Handle | None = None, *, mode: str) -> Handle:
    """First what negative amounts cut off, then what positive ones add."""
    rank = n.x.rank
    if not rank:
        return x
    none = n.vector([0] * rank)
    low, high = (window(n, _as_i64(n, pads), (0,), (start,), (rank,)) for start in (0, rank))
    cut_low, cut_high = (n.elementwise("MAX", n.unary("NEG", side), none) for side in (low, high))
    add_low, add_high = (n.elementwise("MAX", side, none) for side in (low, high))
    cut = n.elementwise("SUM", cut_low, cut_high)
    left = n.elementwise("MAX", n.elementwise("SUB", n.shape_of(x), cut), none)
    kept = _window_at(n, x, cut_low, left)
    grown = n.elementwise("SUM", n.elementwise("SUM", left, add_low), add_high)
    return _window_at(n, kept, n.unary("NEG", add_low), grown, SAMPLING[mode], value)


def _window_at(
    n: Network, x: Handle, starts: Handle, sizes: Handle, mode: str = "STRICT_BOUNDS", fill: Handle | None = None
) -> Handle:
    """A window along every axis, its bounds in vectors."""
    rank = rank_of(x)
    layer = n.layer(n.definition.add_slice(x, (0,) * rank, (1,) * rank, (1,) * rank))
    layer.mode = getattr(n.trt.SampleMode, mode)
    layer.set_input(1, starts)
    layer.set_input(2, sizes)
    if fill is not None:
        layer.set_input(4, fill)
    return n.of(layer)


@emits("tile")
def tile(n: Network, x: Handle, *, repeats: Shape) -> Handle:
    """A window that starts over at the end of x."""
    axes = [axis for axis, count in enumerate(repeats) if count != 1]
    sizes = [n.node.result.shape[axis] for axis in axes]
    return window(n, x, axes, [0] * len(axes), sizes, mode="WRAP")


@emits("dynamic_tile")
def dynamic_tile(n: Network, x: Handle, repeats: Handle) -> Handle:
    """A window that starts over at the end of x, of computed size."""
    rank = n.x.rank
    if not rank:
        return x
    sizes = n.elementwise("PROD", n.shape_of(x), _as_i64(n, repeats))
    return _window_at(n, x, n.vector([0] * rank), sizes, "WRAP")


def _as_i64(n: Network, vector: Handle) -> Handle:
    """Sizes are computed in i64: a model's own may be i32."""
    return n.cast(vector, I64)
