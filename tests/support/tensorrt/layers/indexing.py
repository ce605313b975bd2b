"""Layers that take indices."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import Array, numpy_type, wide
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.meaning import means


def _checked(layer: Any, indices: Array, axis: int, length: int) -> tuple[Array, Array]:
    """Indices made safe, and which of them are out of bounds.

    "If an axis of Data has dynamic length, using a negative index for it has undefined behavior. Zero will be stored
    for OOB access" (NvInfer.h, IGatherLayer).
    """
    if (indices < 0).any() and layer.get_input(0).shape[axis] == -1:
        raise NetworkError(f"gather '{layer.name}' uses a negative index for axis {axis}, which has dynamic length")
    wrapped = np.where(indices < 0, indices + length, indices)
    outside = (wrapped < 0) | (wrapped >= length)
    return np.where(outside, 0, wrapped), outside


def _zeroed(taken: Array, outside: Array) -> Array:
    if not outside.any():
        return taken
    return np.where(outside, np.zeros((), taken.dtype), taken)


@means("IGatherLayer")
def gather(layer: Any, data: Array, indices: Array) -> Array:
    """ONNX's Gather, GatherElements and GatherND; out of bounds it gives zeros."""
    if layer.mode.name == "ELEMENT":
        return _gather_elements(layer, data, indices)
    if layer.mode.name == "ND":
        return _gather_nd(layer, data, indices)
    return _gather(layer, data, indices)


def _gather(layer: Any, data: Array, indices: Array) -> Array:
    axis = layer.axis % data.ndim
    if layer.num_elementwise_dims:
        return _gather_rows(layer, data, indices, axis)
    safe, outside = _checked(layer, indices, axis, data.shape[axis])
    if not data.shape[axis]:
        return np.zeros((*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]), data.dtype)
    taken = np.take(data, safe, axis)
    return _zeroed(taken, outside.reshape(outside.shape + (1,) * (data.ndim - axis - 1)))


def _gather_rows(layer: Any, data: Array, indices: Array, axis: int) -> Array:
    """The first dimension of data and indices goes along, broadcast where it is 1."""
    rows = max(data.shape[0], indices.shape[0]) if 0 not in (data.shape[0], indices.shape[0]) else 0
    data = np.broadcast_to(data, (rows, *data.shape[1:]))
    indices = np.broadcast_to(indices, (rows, *indices.shape[1:]))
    safe, outside = _checked(layer, indices, axis, data.shape[axis])
    parts = [np.take(row, at, axis - 1) for row, at in zip(data, safe, strict=True)]
    taken = np.stack(parts) if parts else np.zeros((0, *data.shape[1:axis], *indices.shape[1:]), data.dtype)
    middle = (1,) * (axis - 1)
    return _zeroed(taken, outside.reshape(rows, *middle, *indices.shape[1:], *(1,) * (data.ndim - axis - 1)))


def _gather_elements(layer: Any, data: Array, indices: Array) -> Array:
    axis = layer.axis % data.ndim
    safe, outside = _checked(layer, indices, axis, data.shape[axis])
    places: list[Array] = list(np.indices(indices.shape, sparse=True))
    places[axis] = safe
    return _zeroed(data[tuple(places)], outside)


def _gather_nd(layer: Any, data: Array, indices: Array) -> Array:
    along, depth = layer.num_elementwise_dims, indices.shape[-1]
    shape = indices.shape[:-1]
    places: list[Array] = [i.reshape(i.shape + (1,) * (len(shape) - along)) for i in np.indices(shape[:along])]
    outside = np.zeros(shape, np.bool_)
    for i in range(depth):
        safe, beyond = _checked(layer, indices[..., i], along + i, data.shape[along + i])
        places.append(safe)
        outside |= beyond
    taken = data[tuple(places)] if places else np.broadcast_to(data, (*shape, *data.shape))
    return _zeroed(taken, outside.reshape(shape + (1,) * (taken.ndim - len(shape))))


@means("IScatterLayer")
def scatter(layer: Any, data: Array, indices: Array, updates: Array) -> Array:
    """ONNX's ScatterElements and ScatterND without a reduction.

    Of out-of-bounds indices the documentation says nothing, of two writes to one element that they are undefined: both
    are errors, unless the writes agree.
    """
    places = _element_places(layer, data, indices) if layer.mode.name == "ELEMENT" else _nd_places(layer, data, indices)
    flat = updates.reshape(prod(places[0].shape), -1) if places else updates.reshape(1, -1)
    rows = tuple(p.reshape(-1) for p in places)
    forward, backward = data.copy(), data.copy()
    tail = data.shape[len(places) :]
    forward[rows] = flat.reshape(-1, *tail) if rows else flat.reshape(tail)
    backward[tuple(p[::-1] for p in rows)] = flat[::-1].reshape(-1, *tail) if rows else flat.reshape(tail)
    if forward.tobytes() != backward.tobytes():
        raise NetworkError(f"scatter '{layer.name}' writes different values to one element, which is undefined")
    return forward


def _within(layer: Any, indices: Array, length: int) -> Array:
    if (indices < -length).any() or (indices >= length).any():
        raise NetworkError(f"scatter '{layer.name}' has indices beyond an axis of {length}, which is undocumented")
    return np.where(indices < 0, indices + length, indices)


def _element_places(layer: Any, data: Array, indices: Array) -> list[Array]:
    axis = layer.axis % data.ndim
    places: list[Array] = list(np.indices(indices.shape))
    places[axis] = _within(layer, indices, data.shape[axis])
    return places


def _nd_places(layer: Any, data: Array, indices: Array) -> list[Array]:
    return [_within(layer, indices[..., i], data.shape[i]) for i in range(indices.shape[-1])]


@means("IOneHotLayer")
def one_hot(layer: Any, indices: Array, values: Array, depth: Array) -> Array:
    """`values[1]` where the new axis is at the index, `values[0]` elsewhere.

    Of negative indices and those beyond the depth the documentation says nothing: both are errors.
    """
    if indices.size and not 0 <= indices.min() <= indices.max() < int(depth):
        raise NetworkError(f"one_hot '{layer.name}' has indices outside 0..{int(depth) - 1}, which is undocumented")
    rank = indices.ndim + 1
    axis = layer.axis % rank
    places = np.arange(int(depth)).reshape(-1, *(1,) * (rank - 1 - axis))
    chosen: Array = np.where(np.expand_dims(indices, axis) == places, values[1], values[0])
    return chosen.astype(values.dtype)


@means("INonZeroLayer")
def non_zero(layer: Any, x: Array) -> Array:
    """[rank, count]: the positions of the elements other than zero, in row-major order."""
    indices_type = getattr(layer, "indices_type", None)
    dtype = np.dtype(np.int32) if indices_type is None else numpy_type(indices_type)
    return np.array(np.nonzero(wide(x)), dtype).reshape(x.ndim, -1)


@means("IReverseSequenceLayer")
def reverse_sequence(layer: Any, x: Array, lengths: Array) -> Array:
    """The first `lengths[i]` elements of slice i of the batch axis are reversed along the sequence axis."""
    moved = np.moveaxis(x, (layer.batch_axis, layer.sequence_axis), (0, 1))
    result = moved.copy()
    for i, n in enumerate(lengths.tolist()):
        result[i, :n] = moved[i, :n][::-1]
    return np.moveaxis(result, (0, 1), (layer.batch_axis, layer.sequence_axis))
