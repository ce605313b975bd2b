"""Layers that move elements without changing them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import Array
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.meaning import means


@means("IShuffleLayer")
def shuffle(layer: Any, x: Array, dims: Array | None = None) -> Array:
    """A transpose, a reshape and another transpose, each optional.

    Permutations are numpy's: from CHW to HWC it is [1, 2, 0].
    """
    x = x.transpose(list(layer.first_transpose)[: x.ndim])
    given = layer.reshape_dims if dims is None else tuple(dims.tolist())
    if given is not None:
        x = x.reshape(_reshaped(x.shape, tuple(given), layer.zero_is_placeholder))
    return x.transpose(list(layer.second_transpose)[: x.ndim])


def _reshaped(old: tuple[int, ...], given: tuple[int, ...], placeholder: bool) -> tuple[int, ...]:
    """0 copies the dimension at its place where it is a placeholder; one -1 is inferred."""
    new = [old[i] if d == 0 and placeholder else d for i, d in enumerate(given)]
    if -1 in new and 0 in new:
        raise NetworkError(f"shuffle to {new}: -1 is indeterminate beside a dimension of 0")
    return tuple(new)


@means("IConcatenationLayer")
def concatenation(layer: Any, *inputs: Array) -> Array:
    """Joined along one axis."""
    return np.concatenate(inputs, axis=layer.axis)


@means("ISqueezeLayer")
def squeeze(layer: Any, x: Array, axes: Array | None = None) -> Array:
    """Without the unit dimensions at `axes`, or without every dimension that the network declares to be 1."""
    if axes is None:
        return x.squeeze(tuple(i for i, d in enumerate(layer.get_input(0).shape) if d == 1))
    return x.squeeze(tuple(axes.tolist()))


@means("IUnsqueezeLayer")
def unsqueeze(layer: Any, x: Array, axes: Array) -> Array:
    """With unit dimensions at `axes` of the output."""
    return np.expand_dims(x, tuple(axes.tolist()))


@means("ISliceLayer")
def slice_(
    layer: Any,
    x: Array,
    start: Array | None = None,
    size: Array | None = None,
    stride: Array | None = None,
    value: Array | None = None,
    axes: Array | None = None,
) -> Array:
    """Element y of an axis is element start + y * stride of the input; `mode` says what stands beyond it."""
    starts, sizes, strides = (
        tuple(fixed if given is None else given.tolist())
        for fixed, given in ((layer.start, start), (layer.shape, size), (layer.stride, stride))
    )
    chosen = layer.axes if axes is None else axes.tolist()
    result, outside = x, np.zeros((), np.bool_)
    for axis, first, count, step in zip(
        range(x.ndim) if chosen is None else chosen, starts, sizes, strides, strict=True
    ):
        axis = axis % x.ndim
        wanted = first + np.arange(count, dtype=np.int64) * step
        found, beyond = _sampled(wanted, x.shape[axis], layer.mode.name)
        if beyond.any():
            outside = outside | np.expand_dims(beyond, tuple(i for i in range(x.ndim) if i != axis))
        result = np.take(result, found, axis) if x.shape[axis] else _emptied(result, axis, count)
    if not outside.any():
        return result
    filler = np.zeros((), x.dtype) if value is None else value.astype(x.dtype)
    return np.where(outside, filler, result)


def _emptied(x: Array, axis: int, count: int) -> Array:
    """Slices of an axis without elements: only a fill has something to put there."""
    return np.zeros((*x.shape[:axis], count, *x.shape[axis + 1 :]), x.dtype)


def _sampled(wanted: Array, length: int, mode: str) -> tuple[Array, Array]:
    """Where each coordinate is read, and which are to be filled (operator page "Slice")."""
    beyond = (wanted < 0) | (wanted >= length)
    nothing = np.zeros(wanted.shape, np.bool_)
    if not beyond.any():
        return wanted, nothing
    if mode == "FILL":
        return np.where(beyond, 0, wanted), beyond
    if mode == "WRAP" and length:
        return wanted % length, nothing
    if mode == "CLAMP" and length:
        return wanted.clip(0, length - 1), nothing
    if mode == "REFLECT" and length:
        if length == 1:
            return np.zeros_like(wanted), nothing
        period = 2 * length - 2
        folded = np.abs(wanted) % period
        return np.where(folded >= length, period - folded, folded), nothing
    raise NetworkError(f"slice in mode {mode} reads elements {wanted[beyond][:4]} of an axis of {length}")


@means("IPaddingLayer")
def padding(layer: Any, x: Array) -> Array:
    """Zeros around the last two dimensions; negative padding crops."""
    pairs = list(zip(layer.pre_padding_nd, layer.post_padding_nd, strict=True))
    edges = [(0, 0)] * (x.ndim - len(pairs)) + [(max(a, 0), max(b, 0)) for a, b in pairs]
    kept = [slice(None)] * (x.ndim - len(pairs)) + [slice(max(-a, 0), -b if b < 0 else None) for a, b in pairs]
    return np.pad(x[tuple(kept)], edges)
