"""Weights as numpy arrays."""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy as np

from tests.support.tensorrt.element_types import PACKED, Array, numpy_type
from tests.support.tensorrt.errors import NetworkError


class _Weights(ctypes.Structure):
    """`nvinfer1::Weights` of NvInferRuntime.h."""

    _fields_ = (("type", ctypes.c_int32), ("values", ctypes.c_void_p), ("count", ctypes.c_int64))


_OBJECT_HEADER = object.__basicsize__


def weights_array(weights: Any) -> Array | None:
    """The contents as a flat array; None for empty weights.

    The bindings return numpy arrays for the types numpy has: views of memory that belongs to whoever made the network.
    For the others (bf16, fp8, 4-bit types) they return an object that does not give its contents away.
    """
    if isinstance(weights, np.ndarray):
        return weights.reshape(-1) if weights.size else None
    return _pointed_at(weights) if weights.size else None


def _pointed_at(weights: Any) -> Array:
    # A pybind11 object holds the pointer to its C++ value right after the Python header. What is found there is
    # compared with what the bindings say, so that another layout is an error and never wrong numbers.
    address = ctypes.c_void_p.from_address(id(weights) + _OBJECT_HEADER).value
    found = _Weights.from_address(address) if address else _Weights()
    if (found.type, found.count) != (weights.dtype.value, weights.size) or not found.values:
        raise NetworkError("these bindings lay out Weights in another way: find their pointer in weights.py")
    dtype, count = numpy_type(weights.dtype), int(weights.size)
    size = (count + 1) // 2 if dtype in PACKED else count * dtype.itemsize
    raw = np.frombuffer(ctypes.string_at(found.values, size), np.uint8)
    return _unpacked(raw, dtype)[:count] if dtype in PACKED else raw.view(dtype)


def _unpacked(raw: Array, dtype: np.dtype[Any]) -> Array:
    """4-bit elements; the first of a pair is the low half of its byte (developer guide, "Data Types")."""
    halves = np.stack([raw & 0xF, raw >> 4], axis=-1).reshape(-1)
    if dtype == np.dtype(ml_dtypes.int4):
        return ((halves.astype(np.int8) ^ 8) - 8).astype(dtype)  # the sign bit, extended
    return halves.view(dtype)
