"""Pooling. Where the engine's own windows do not fit, a pool is made of its taps: slices, one for each place in the
window, that hold what all windows have there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from isthmus.backends.emitter import emits
from isthmus.backends.tensorrt.emit.conv import Ints, Pads, flattened, place_windows, raised
from isthmus.backends.tensorrt.emit.shape import window
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.backends.tensorrt.tensors import dtype_named, weights_over
from isthmus.backends.tensorrt.wide import in_f32
from isthmus.ir.dim import Dim, Shape
from isthmus.ir.graph import Node
from isthmus.ir.ops.window import ceil_padding, padded, windows
from isthmus.ir.types import I64, DType

MOST_TAPS = 256
"""Beyond this many a pool of taps is no longer a network anybody wants to run."""


def _unsuited(node: Node) -> str | None:
    spatial = node.inputs[0].rank - 2
    if spatial > 3:
        return f"the engine has windows over at most 3 spatial dimensions, not {spatial}"
    return (
        "the engine has no windows that fit nowhere" if 0 in (*node.inputs[0].shape, *node.results[0].shape) else None
    )


def _too_many_taps(node: Node) -> str | None:
    taps = prod(node.attrs["kernel"])
    return None if taps <= MOST_TAPS else f"the engine's pool does not fit, and {taps} slices are too many"


def _not_max_poolable(node: Node) -> str | None:
    return _unsuited(node) or (None if _own_windows(node) else _too_many_taps(node))


@emits("max_pool", unless=_not_max_poolable)
def max_pool(
    n: Network, x: Handle, *, kernel: Ints, strides: Ints, pads: Pads, dilations: Ints, ceil_mode: bool
) -> Handle:
    """The engine's own, else the greatest of all taps."""
    if own := _own_windows(n.node):
        return _pooled(n, x, "MAX", own)
    taps = _taps(n, x, n.scalar(_lowest(n.x.dtype), n.x.dtype), kernel, strides, pads, dilations)
    result = next(taps)
    for tap in taps:
        result = n.elementwise("MAX", result, tap)
    return result


def _symbolic_image(node: Node) -> str | None:
    if any(not isinstance(d, int) for d in node.inputs[0].shape[1:]):
        return "the engine pools without places, and these are worked out for images of known size only"
    return _unsuited(node) or _too_many_taps(node)


@emits("max_pool_with_indices", unless=_symbolic_image)
def max_pool_with_indices(
    n: Network, x: Handle, *, kernel: Ints, strides: Ints, pads: Pads, dilations: Ints, ceil_mode: bool
) -> list[Handle]:
    """The first greatest of all taps, and the place of that tap; NaN is greater than any number, as in numpy.

    Padding holds the least number, which elements may equal: the first of them wins all the same.
    """
    sizes = [d for d in n.x.shape[1:] if isinstance(d, int)]
    out = [d for d in n.node.results[0].shape[2:] if isinstance(d, int)]
    best: Handle = None
    place: Handle = None
    seen = np.zeros((1, 1, *out), np.bool_)
    taps = _taps(n, x, n.scalar(_lowest(n.x.dtype), n.x.dtype), kernel, strides, pads, dilations)
    for at, tap in zip(np.ndindex(*kernel), taps, strict=True):
        places, inside = _places(sizes[1:], out, at, strides, pads, dilations)
        here, first = n.constant(places), inside & ~seen
        if best is None:
            best, place = tap, here
        else:
            wins = _wins(n, tap, best)
            if first.any():
                wins = n.elementwise("OR", wins, n.constant(first))
            best, place = n.select(wins, tap, best), n.select(wins, here, place)
        seen |= inside
    planes = n.elementwise("PROD", _planes(n, sizes[0]), n.scalar(prod(sizes[1:]), I64, n.x.rank))
    indices = n.elementwise("SUM", place, planes)
    return [best, indices if seen.all() else n.select(n.constant(seen), indices, n.scalar(-1, I64, n.x.rank))]


def _wins(n: Network, tap: Handle, best: Handle) -> Handle:
    """Whether a tap is greater than all before, or the first NaN."""
    greater = n.elementwise("GREATER", tap, best)
    if not n.x.dtype.is_float:
        return greater
    tap_is_number, best_is_number = (n.elementwise("EQUAL", each, each) for each in (tap, best))
    return n.elementwise("OR", greater, n.elementwise("AND", n.unary("NOT", tap_is_number), best_is_number))


def _planes(n: Network, channels: int) -> Handle:
    """The number of each plane in row-major order: i64 [N, C, 1, ...]."""
    ones = (1,) * (n.x.rank - 2)
    channel = np.arange(channels).reshape(1, channels, *ones)
    if isinstance(batch := n.x.shape[0], int):
        return n.constant(np.arange(batch).reshape(batch, 1, *ones) * channels + channel)
    first = n.elementwise("PROD", n.reshape(n.range(batch), (batch, 1, *ones)), n.scalar(channels, I64, n.x.rank))
    return n.elementwise("SUM", first, n.constant(channel))


def _places(
    sizes: Sequence[int], out: Sequence[int], at: Ints, strides: Ints, pads: Pads, dilations: Ints
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Where in a row-major plane of `sizes` the tap `at` of each window lies, and whether that is in the image.

    Both are [1, 1, *out].
    """
    axes = [
        np.arange(count) * stride - low + tap * dilation
        for count, stride, (low, _), tap, dilation in zip(out, strides, pads, at, dilations, strict=True)
    ]
    flat = np.zeros((1,) * len(sizes), np.int64)
    inside = np.ones((1,) * len(sizes), np.bool_)
    for axis, (positions, size) in enumerate(zip(axes, sizes, strict=True)):
        along = positions.reshape([-1 if i == axis else 1 for i in range(len(sizes))])
        flat = flat * size + along
        inside = inside & (along >= 0) & (along < size)
    return flat[None, None], inside[None, None]


def _not_average_poolable(node: Node) -> str | None:
    return _unsuited(node) or (None if _own_windows(node) else _unknown_counts(node))


@emits("avg_pool", unless=_not_average_poolable)
def avg_pool(
    n: Network,
    x: Handle,
    *,
    kernel: Ints,
    strides: Ints,
    pads: Pads,
    dilations: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Handle:
    """The engine's own, else a convolution of each channel with equal weights, divided by what windows hold."""
    own = _own_windows(n.node)
    if own is not None and (own.round_up or not count_include_pad or own.pads == pads):
        return _pooled(n, x, "AVERAGE", own, counts_padding=count_include_pad)
    part, grown, whole = _equally_weighted(n, x)
    sizes = [d for d in n.x.shape[2:] if isinstance(d, int)]
    here = padded(np.ones((1, 1, *sizes)), pads, int(count_include_pad))
    reached = padded(here, [(0, high - given) for (_, high), (_, given) in zip(grown, pads, strict=True)], 0)
    counts = windows(reached, kernel, strides, dilations).sum(axis=tuple(range(len(sizes) + 2, 2 * len(sizes) + 2)))
    return n.elementwise("DIV", part, n.constant((counts / whole).astype(n.x.dtype.numpy), n.x.dtype))


def _unknown_counts(node: Node) -> str | None:
    if any(not isinstance(d, int) for d in node.inputs[0].shape[1:]):
        return "the engine averages no such windows, and how much they hold is worked out for images of known size only"
    return None


def _equally_weighted(n: Network, x: Handle) -> tuple[Handle, Pads, int]:
    """A part of the sum of each window of an image of known size, the padding that all windows need, and what part.

    One in a power of two that is no less than the window: exact in every type, and small enough not to overflow.
    """
    attrs = n.node.attrs
    kernel, strides, pads, dilations = (attrs[name] for name in ("kernel", "strides", "pads", "dilations"))
    channels, *sizes = (d for d in n.x.shape[1:] if isinstance(d, int))
    out = [d for d in n.node.result.shape[2:] if isinstance(d, int)]
    grown = tuple(ceil_padding(*each) for each in zip(sizes, out, kernel, strides, pads, dilations, strict=True))
    alone = len(kernel) == 1
    whole = 1 << (prod(kernel) - 1).bit_length()
    dtype = dtype_named(n.trt, x.dtype)
    weight = np.full((channels, 1, *[1] * alone, *kernel), 1 / whole).astype(dtype.numpy)
    n.kept.append(weight)
    own = weights_over(n.trt, weight, dtype)
    operand = raised(n, x, n.x.rank)
    layer = n.layer(n.definition.add_convolution_nd(operand, channels, n.trt.Dims(weight.shape[2:]), own))
    place_windows(n, layer, strides, grown)
    layer.dilation_nd = n.trt.Dims([*[1] * alone, *dilations])
    layer.num_groups = channels
    return flattened(n, n.of(layer), n.x.rank), grown, whole


def _not_lp_poolable(node: Node) -> str | None:
    own = _own_windows(node)
    return _unsuited(node) or (None if own is not None and not own.round_up else _unknown_counts(node))


@emits("lp_pool", unless=_not_lp_poolable)
def lp_pool(
    n: Network, x: Handle, *, kernel: Ints, strides: Ints, pads: Pads, dilations: Ints, ceil_mode: bool, p: int
) -> Handle:
    """The p-th root of a part of the sum of p-th powers, times what it is a part of. Powers above the first leave a
    narrow type: they are f32.
    """
    own = _own_windows(n.node)

    def write(x: Handle) -> Handle:
        size = n.unary("ABS", x)
        powers = size if p == 1 else n.elementwise("POW", size, n.number(p, x))
        if own is not None and not own.round_up:
            part, whole = _pooled(n, powers, "AVERAGE", own, counts_padding=True), prod(kernel)
        else:
            part, _, whole = _equally_weighted(n, powers)
        total = n.elementwise("PROD", part, n.number(whole, x))
        return total if p == 1 else n.elementwise("POW", total, n.number(1 / p, x))

    return write(x) if p == 1 else in_f32(n, write, x)


@dataclass(frozen=True)
class _Windows:
    """Windows as the engine places them."""

    kernel: Ints
    strides: Ints
    pads: Pads
    round_up: bool
    """Whether a last window that overhangs the padding counts."""


def _own_windows(node: Node) -> _Windows | None:
    """The engine's windows that are those of the node, or None: it has no dilation and pads less than a window.

    It rounds up without asking whether the last window starts in the padding at the end. Where that may happen, the
    padding is made to end with the last window, if that is known.
    """
    attrs = node.attrs
    kernel, strides, pads = attrs["kernel"], attrs["strides"], attrs["pads"]
    if not node.inputs[0].dtype.is_float or set(attrs["dilations"]) != {1}:
        return None
    if any(max(side) >= k for side, k in zip(pads, kernel, strict=True)):
        return None
    if not attrs["ceil_mode"]:
        return _Windows(kernel, strides, pads, round_up=False)
    if all(high + s <= k for (_, high), s, k in zip(pads, strides, kernel, strict=True)):
        return _Windows(kernel, strides, pads, round_up=True)
    sizes = (*node.inputs[0].shape[2:], *node.results[0].shape[2:])
    known = [d for d in sizes if isinstance(d, int)]
    if len(known) < len(sizes):
        return None
    before, after = known[: len(kernel)], known[len(kernel) :]
    ends = [
        (low, max((count - 1) * s + k - size - low, 0))
        for size, count, k, s, (low, _) in zip(before, after, kernel, strides, pads, strict=True)
    ]
    if any(max(side) >= k for side, k in zip(ends, kernel, strict=True)):
        return None
    return _Windows(kernel, strides, tuple(ends), round_up=False)


def _pooled(n: Network, x: Handle, kind: str, own: _Windows, counts_padding: bool = False) -> Handle:
    """The engine's pool."""
    alone = len(own.kernel) == 1
    size = n.trt.Dims([*[1] * alone, *own.kernel])
    operand = raised(n, x, n.x.rank)
    layer = n.layer(n.definition.add_pooling_nd(operand, getattr(n.trt.PoolingType, kind), size))
    place_windows(n, layer, own.strides, own.pads)
    if own.round_up:
        layer.padding_mode = n.trt.PaddingMode.EXPLICIT_ROUND_UP
    layer.average_count_excludes_padding = not counts_padding
    return flattened(n, n.of(layer), n.x.rank)


def _taps(
    n: Network, x: Handle, fill: Handle, kernel: Ints, strides: Ints, pads: Pads, dilations: Ints
) -> Iterator[Handle]:
    """For each place in the window, in order, what all windows have there; `fill` in the padding."""
    axes = range(2, n.x.rank)
    counts: Shape = n.node.results[0].shape[2:]
    for at in product(*map(range, kernel)):
        starts: list[Dim] = [t * d - low for t, d, (low, _) in zip(at, dilations, pads, strict=True)]
        yield window(n, x, list(axes), starts, counts, list(strides), mode="FILL", fill=fill)


def _lowest(dtype: DType) -> float:
    return -np.inf if dtype.is_float else int(np.iinfo(dtype.numpy).min)
