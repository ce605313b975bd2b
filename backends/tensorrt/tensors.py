"""Element types and weights as the engine has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from isthmus.ir.types import DTYPES, Array, DType

NAMES: Mapping[str, str] = {
    "f32": "FLOAT",
    "f16": "HALF",
    "bf16": "BF16",
    "i64": "INT64",
    "i32": "INT32",
    "i8": "INT8",
    "u8": "UINT8",
    "bool": "BOOL",
    "f8e4m3": "FP8",
}
"""Element types the engine has, under its names."""


def element_type(trt: ModuleType, dtype: DType) -> Any:
    """`tensorrt.DataType` of an IR element type that `NAMES` holds."""
    return getattr(trt.DataType, NAMES[dtype.name])


def is_carried_wide(dtype: DType) -> bool:
    """Whether tensors of a type are i32 inside a network: the engine has unsigned bytes at its edges only."""
    return dtype.name == "u8"


def dtype_named(trt: ModuleType, kind: Any) -> DType:
    """The IR element type of a `tensorrt.DataType` that `NAMES` holds."""
    return DTYPES[next(ours for ours, theirs in NAMES.items() if getattr(trt.DataType, theirs) == kind)]


def weights_over(trt: ModuleType, array: Array, dtype: DType) -> Any:
    """`tensorrt.Weights` over the memory of a contiguous array, which must outlive the network."""
    kind = element_type(trt, dtype)
    return trt.Weights(kind, array.ctypes.data, array.size) if array.size else trt.Weights(kind)


def contiguous(array: Array) -> Array:
    """The array itself where its elements lie in order, else a copy. (numpy's own function makes scalars vectors.)"""
    return np.ascontiguousarray(array).reshape(array.shape)
