"""numpy arrays and OpenVINO tensors over the same memory, element types included that numpy has no name for."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from isthmus.ir.types import Array, DType

NAMES = {
    "f64": "f64", "f32": "f32", "f16": "f16", "bf16": "bf16", "f8e4m3": "f8e4m3", "f8e5m2": "f8e5m2",
    "i64": "i64", "i32": "i32", "i16": "i16", "i8": "i8", "i4": "i4",
    "u64": "u64", "u32": "u32", "u16": "u16", "u8": "u8", "u4": "u4", "bool": "boolean",
}  # fmt: skip
"""IR element type -> OpenVINO's name for it."""

_CARRIERS = {"bf16": np.uint16, "f8e4m3": np.uint8, "f8e5m2": np.uint8}
"""Types that OpenVINO's Python tensors know by element type only: what carries their bits."""


class _Memory:
    """A writable view of somebody's memory, as `np.asarray` understands it; keeps the owner alive."""

    def __init__(self, owner: Array) -> None:
        self._owner = owner
        interface = dict(owner.__array_interface__)
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}


def element_type(engine: ModuleType, dtype: DType) -> Any:
    """`openvino.Type` for an IR element type."""
    return getattr(engine.Type, NAMES[dtype.name])


def carried(array: Array, dtype: DType) -> Array:
    """`array` as a numpy type OpenVINO takes, without a copy."""
    carrier = _CARRIERS.get(dtype.name)
    return array if carrier is None else array.view(carrier)


def tensor_over(engine: ModuleType, array: Array, dtype: DType) -> Any:
    """An `openvino.Tensor` that shares the memory of a C-contiguous array, which the caller keeps alive.

    Memory-mapped and other read-only arrays are shared too: OpenVINO only reads inputs and constants.
    """
    raw = carried(array, dtype)
    if not raw.flags.writeable:
        raw = np.asarray(_Memory(raw))
    if dtype.name in _CARRIERS:
        return engine.Tensor(raw, engine.Shape(list(array.shape)), element_type(engine, dtype))
    return engine.Tensor(raw, shared_memory=True)


def array_over(tensor: Any, dtype: DType) -> Array:
    """The memory of an `openvino.Tensor` as an array of the IR's numpy type; a view."""
    data: Array = tensor.data
    return data.view(dtype.numpy) if dtype.name in _CARRIERS else data
