"""Slices and selections along an axis: Python's bounds, which may be negative, out of range, or sizes; padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from isthmus.compiler.importers.torch.args import axis_of, index_of, reshaped, tensor
from isthmus.compiler.importers.torch.builder import Scalar, TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import Dim, less_equal, maximum, minimum
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64

_FAR = (1 << 63) - 1
"""From here on torch means "to the end"."""

_Mode: TypeAlias = Literal["constant", "reflect", "edge", "wrap"]
_MODES: dict[str, _Mode] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""torch's names of paddings."""


@aten("slice", "slice_copy")
def slice_(
    b: TorchBuilder, x: Value, dim: int = 0, start: Scalar | None = None, end: Scalar | None = None, step: int = 1
) -> Value:
    axis = axis_of(dim, x.rank)
    if isinstance(start, Value) or isinstance(end, Value):
        return _computed(b, x, axis, start, end, step)
    first, last = window(x.shape[axis], start, end)
    if first == 0 and last == x.shape[axis] and step == 1:
        return x
    return b.slice(x, axes=(axis,), starts=(first,), stops=(last,), steps=(step,))


@aten("narrow", "narrow_copy")
def narrow(b: TorchBuilder, x: Value, dim: int, start: Scalar, length: Scalar) -> Value:
    if isinstance(length, Value) or isinstance(start, Value):
        raise UnsupportedModel("a slice whose bounds depend on data")
    axis = axis_of(dim, x.rank)
    first, _ = window(x.shape[axis], start, None)
    return slice_(b, x, axis, first, first + _dim(length))


@aten("select", "select_copy")
def select(b: TorchBuilder, x: Value, dim: int, index: Scalar) -> Value:
    axis = axis_of(dim, x.rank)
    if isinstance(index, Value):
        return b.gather(x, index_of(b, index), axis=axis)
    at = position(x.shape[axis], _dim(index))
    if isinstance(at, int):
        return b.gather(x, b.const(at), axis=axis)
    piece = b.slice(x, axes=(axis,), starts=(at,), stops=(at + 1,), steps=(1,))
    return b.reshape(piece, shape=(*x.shape[:axis], *x.shape[axis + 1 :]))


@aten("slice_scatter")
def slice_scatter(
    b: TorchBuilder,
    x: Value,
    src: Value,
    dim: int = 0,
    start: Scalar | None = None,
    end: Scalar | None = None,
    step: int = 1,
) -> Value:
    """x with `src` in place of a slice."""
    axis = axis_of(dim, x.rank)
    if isinstance(start, Value) or isinstance(end, Value):
        raise UnsupportedModel("a slice whose bounds depend on data")
    size = x.shape[axis]
    first, last = window(size, start, end)
    src = tensor(b, src, x.dtype)
    if step != 1:
        return _interleaved(b, x, src, axis, first, last, step)
    parts = []
    if first != 0:
        parts.append(b.slice(x, axes=(axis,), starts=(0,), stops=(first,), steps=(1,)))
    parts.append(src)
    if last != size:
        parts.append(b.slice(x, axes=(axis,), starts=(last,), stops=(size,), steps=(1,)))
    return b.concat(*parts, axis=axis) if len(parts) > 1 else src


@aten("select_scatter")
def select_scatter(b: TorchBuilder, x: Value, src: Value, dim: int, index: Dim) -> Value:
    axis = axis_of(dim, x.rank)
    at = position(x.shape[axis], index)
    wide = b.reshape(src, shape=(*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    return slice_scatter(b, x, wide, axis, at, at + 1)


@aten("constant_pad_nd")
def constant_pad(b: TorchBuilder, x: Value, pad: Sequence[Dim], value: Scalar = 0) -> Value:
    return _padded(b, x, pad, tensor(b, value, x.dtype), "constant")


@aten("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def reflection_pad(b: TorchBuilder, x: Value, padding: Sequence[Dim]) -> Value:
    return _padded(b, x, padding, None, "reflect")


@aten("replication_pad1d", "replication_pad2d", "replication_pad3d")
def replication_pad(b: TorchBuilder, x: Value, padding: Sequence[Dim]) -> Value:
    return _padded(b, x, padding, None, "edge")


@aten("pad", "_pad_circular")
def pad(b: TorchBuilder, x: Value, pad: Sequence[Dim], mode: str = "constant", value: float | None = None) -> Value:
    if mode == "constant":
        return constant_pad(b, x, pad, 0 if value is None else value)
    return _padded(b, x, pad, None, _MODES[mode])


def window(size: Dim, start: Scalar | None, end: Scalar | None) -> tuple[Dim, Dim]:
    """0 <= first <= last <= size for a slice's bounds. UnsupportedModel where a sign is unknown."""
    first = 0 if start is None else _bound(size, _dim(start))
    last = size if end is None else _bound(size, _dim(end))
    return first, maximum(first, last)


def position(size: Dim, index: Dim) -> Dim:
    """An index counted from the front."""
    if less_equal(0, index) is True:
        return index
    if less_equal(index, -1) is True:
        return index + size
    raise UnsupportedModel(f"the index {index} may be negative or not")


def _dim(number: Scalar) -> Dim:
    if isinstance(number, Value | float):
        raise UnsupportedModel("a bound that is no integer known while importing")
    return number


def _bound(size: Dim, at: Dim) -> Dim:
    if isinstance(at, int) and at >= _FAR:
        return size
    if less_equal(0, at) is True:
        return minimum(at, size)
    if less_equal(at, -1) is True:
        return maximum(at + size, 0)
    raise UnsupportedModel(f"the bound {at} of a slice may be negative or not", hint="give bounds with inputs=")


def _computed(b: TorchBuilder, x: Value, axis: int, start: Scalar | None, end: Scalar | None, step: int) -> Value:
    def vector(bound: Scalar) -> Value:
        return reshaped(b, tensor(b, bound, I64), (1,))

    last = x.shape[axis] if end is None or (isinstance(end, int) and end >= _FAR) else end
    return b.dynamic_slice(x, vector(0 if start is None else start), vector(last), axes=(axis,), steps=(step,))


def _interleaved(b: TorchBuilder, x: Value, src: Value, axis: int, first: Dim, last: Dim, step: int) -> Value:
    if not (isinstance(first, int) and isinstance(last, int)):
        raise UnsupportedModel("every n-th element is replaced along a symbolic size")
    places = np.arange(first, last, step)
    spread = [len(places) if i == axis else 1 for i in range(x.rank)]
    indices = b.expand(b.const(places.reshape(spread)), shape=src.shape)
    return b.scatter_elements(x, indices, src, axis=axis)


def _padded(b: TorchBuilder, x: Value, amounts: Sequence[Dim], fill: Value | None, mode: _Mode) -> Value:
    """torch lists (before, after) from the last axis on; negative amounts cut elements off first."""
    pairs: list[tuple[Dim, Dim]] = [(0, 0)] * x.rank
    for i in range(len(amounts) // 2):
        pairs[x.rank - 1 - i] = amounts[2 * i], amounts[2 * i + 1]
    for axis, (low, high) in enumerate(pairs):
        cut = [0 if less_equal(0, side) is True else -side for side in (low, high)]
        if cut != [0, 0]:
            if any(less_equal(side, 0) is not True and less_equal(0, side) is not True for side in (low, high)):
                raise UnsupportedModel(f"the padding {low}, {high} may be negative or not")
            x = slice_(b, x, axis, cut[0], x.shape[axis] - cut[1])
            pairs[axis] = tuple(0 if c != 0 else side for c, side in zip(cut, (low, high), strict=True))  # type: ignore[assignment]
    if all(side == 0 for pair in pairs for side in pair):
        return x
    return b.pad(x, fill, pads=tuple(pairs), mode=mode)
