"""Padding, by positive or negative amounts."""

from __future__ import annotations

from typing import Literal

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import normal_axes
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.ir.dim import Dim, Shape, less_equal
from isthmus.ir.errors import MalformedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64

_Mode = Literal["constant", "reflect", "edge", "wrap"]


@lowers("Pad", since=11)
def pad(
    b: OnnxBuilder,
    x: Value,
    pads: Value,
    value: Value | None = None,
    axes: Value | None = None,
    *,
    mode: _Mode = "constant",
) -> Value:
    fill = value if value is None or value.rank == 0 else b.reshape(value, shape=())
    fill = fill if mode == "constant" else None
    along = tuple(range(x.rank)) if axes is None else normal_axes(b.integers(axes, "Pad: axes"), x.rank)
    amounts = b.sizes(pads)
    if amounts is not None:
        return _padded(b, x, _by_axis(amounts, along, x.rank), fill, mode)
    if axes is None:
        return b.dynamic_pad(x, pads, fill, mode=mode)
    zero = b.const(np.zeros(2 * x.rank, np.int64))
    places = [[i] for i in (*along, *(axis + x.rank for axis in along))]
    wide = pads if pads.dtype == I64 else b.cast(pads, dtype=I64)
    return b.dynamic_pad(x, b.scatter_nd(zero, np.array(places, np.int64), wide), fill, mode=mode)


@lowers("Pad")
def pad_by_attribute(
    b: OnnxBuilder,
    x: Value,
    *,
    pads: tuple[int, ...] | None = None,
    paddings: tuple[int, ...] | None = None,
    mode: _Mode = "constant",
    value: float = 0.0,
) -> Value:
    amounts = pads if pads is not None else paddings or ()
    fill = b.const(value, x.dtype) if mode == "constant" else None
    return _padded(b, x, _by_axis(amounts, tuple(range(x.rank)), x.rank), fill, mode)


def _by_axis(amounts: Shape, axes: tuple[int, ...], rank: int) -> list[tuple[Dim, Dim]]:
    if len(amounts) != 2 * len(axes):
        raise MalformedModel(f"Pad: {len(amounts)} pads for {len(axes)} axes")
    pairs: list[tuple[Dim, Dim]] = [(0, 0)] * rank
    for axis, low, high in zip(axes, amounts[: len(axes)], amounts[len(axes) :], strict=True):
        pairs[axis] = low, high
    return pairs


def _padded(b: OnnxBuilder, x: Value, pairs: list[tuple[Dim, Dim]], fill: Value | None, mode: _Mode) -> Value:
    """Negative amounts cut elements off first."""
    signs = [less_equal(0, side) for pair in pairs for side in pair]
    if None in signs:
        amounts = b.dims([low for low, _ in pairs] + [high for _, high in pairs])
        return b.dynamic_pad(x, amounts, fill, mode=mode)
    cut = [i for i, pair in enumerate(pairs) if False in (less_equal(0, side) for side in pair)]
    if cut:
        kept = [(_negative(low), x.shape[i] - _negative(high)) for i, (low, high) in enumerate(pairs)]
        starts, stops = zip(*(kept[i] for i in cut), strict=True)
        x = b.slice(x, axes=tuple(cut), starts=starts, stops=stops, steps=(1,) * len(cut))
        pairs = [tuple(d if less_equal(0, d) is True else 0 for d in pair) for pair in pairs]  # type: ignore[misc]
    if all(side == 0 for pair in pairs for side in pair):
        return x
    return b.pad(x, fill, pads=tuple(pairs), mode=mode)


def _negative(amount: Dim) -> Dim:
    return 0 if less_equal(0, amount) is True else -amount
