"""The static form of each `dynamic_` op, for when the contents of its shape operands have become known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from isthmus.ir.builder import Builder
from isthmus.ir.contents import Contents
from isthmus.ir.dim import UNKNOWN, Dim, bounds, ceildiv, floordiv, maximum, minimum, product
from isthmus.ir.graph import Node, Value
from isthmus.ir.ops.infer import broadcast

_FAR = 2**31 - 1
"""Bounds this large mean "to the end" in every source format."""


def static_form(b: Builder, node: Node, contents: Contents) -> Value | None:
    """What `node` is with its sizes as attributes, built with `b`; None where they are not known."""
    make = _FORMS.get(node.op.name)
    return None if make is None else make(b, node, contents)


def _known(node: Node, contents: Contents, index: int = 1) -> tuple[Dim, ...] | None:
    value = node.operands[index]
    return None if value is None else contents.dims(value)


def _reshape(b: Builder, node: Node, contents: Contents) -> Value | None:
    x, sizes = node.inputs[0], _known(node, contents)
    if sizes is None:
        return None
    if -1 in sizes:
        others = product(d for d in sizes if d != -1)
        if others == 0:
            return None
        rest = floordiv(x.type.numel(), others)
        sizes = tuple(rest if d == -1 else d for d in sizes)
    return b.reshape(x, shape=sizes)


def _expand(b: Builder, node: Node, contents: Contents) -> Value | None:
    x, sizes = node.inputs[0], _known(node, contents)
    if sizes is None or UNKNOWN in (shape := broadcast(x.shape, sizes)):
        return None
    return b.expand(x, shape=shape)


def _tile(b: Builder, node: Node, contents: Contents) -> Value | None:
    repeats = _known(node, contents)
    return None if repeats is None else b.tile(node.inputs[0], repeats=repeats)


def _pad(b: Builder, node: Node, contents: Contents) -> Value | None:
    x, amounts = node.inputs[0], _known(node, contents)
    if amounts is None or not all(_not_negative(d) for d in amounts):
        return None
    pads = tuple(zip(amounts[: x.rank], amounts[x.rank :], strict=True))
    return b.pad(x, *node.operands[2:], pads=pads, mode=node.attrs["mode"])


def _iota(b: Builder, node: Node, contents: Contents) -> Value | None:
    known = [_known(node, contents, i) for i in range(3)]
    if None in known:
        return None
    start, limit, step = (dims[0] for dims in known if dims is not None)
    dtype = node.result.dtype
    if not isinstance(step, int) or step == 0:
        return None
    count = maximum(ceildiv(limit - start, step), 0)
    counted = b.iota(dtype=dtype, shape=(count,), axis=0)
    paced = counted if step == 1 else b.mul(counted, node.inputs[2])
    return paced if start == 0 else b.add(paced, node.inputs[0])


def _slice(b: Builder, node: Node, contents: Contents) -> Value | None:
    x, starts, stops = node.inputs[0], _known(node, contents), _known(node, contents, 2)
    if starts is None or stops is None:
        return None
    axes, steps = node.attrs["axes"], node.attrs["steps"]
    windows = [_window(x.shape[a], *w) for a, *w in zip(axes, starts, stops, steps, strict=True)]
    if None in windows:
        return None
    backward = tuple(a for a, step in zip(axes, steps, strict=True) if step < 0)
    lows, highs = zip(*(w for w in windows if w is not None), strict=True)
    turned = b.reverse(x, axes=backward) if backward else x
    return b.slice(turned, axes=axes, starts=lows, stops=highs, steps=tuple(map(abs, steps)))


def _window(size: Dim, start: Dim, stop: Dim, step: int) -> tuple[Dim, Dim] | None:
    """0 <= low <= high <= size as Python's slices clamp them, counted from the end for a negative step."""
    low, high = _from_front(start, size), _from_front(stop, size)
    if low is None or high is None:
        return None
    if step < 0:
        low, high = size - 1 - low, size if _is_far(stop, -1) else size - 1 - high
    low = minimum(maximum(low, 0), size)
    return low, maximum(minimum(high, size), low)


def _from_front(place: Dim, size: Dim) -> Dim | None:
    if _is_far(place, 1):
        return size
    if _is_far(place, -1):
        return 0
    least, most = bounds(place)
    if least is not None and least >= 0:
        return place
    return size + place if most is not None and most < 0 else None


def _is_far(place: Dim, sign: int) -> bool:
    return isinstance(place, int) and sign * place >= _FAR


def _not_negative(dim: Dim) -> bool:
    low = bounds(dim)[0]
    return low is not None and low >= 0


_FORMS: Mapping[str, Callable[[Builder, Node, Contents], Value | None]] = {
    "dynamic_reshape": _reshape,
    "dynamic_expand": _expand,
    "dynamic_tile": _tile,
    "dynamic_pad": _pad,
    "dynamic_iota": _iota,
    "dynamic_slice": _slice,
}
