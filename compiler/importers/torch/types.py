"""Element types: torch's and the IR's. Told by name, so that reading this needs no torch."""

from __future__ import annotations

from typing import Any

from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.types import (
    BF16,
    BOOL,
    F8E4M3,
    F8E5M2,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    DType,
)

_BY_NAME = {
    "float64": F64,
    "float32": F32,
    "float16": F16,
    "bfloat16": BF16,
    "float8_e4m3fn": F8E4M3,
    "float8_e5m2": F8E5M2,
    "int64": I64,
    "int32": I32,
    "int16": I16,
    "int8": I8,
    "uint64": U64,
    "uint32": U32,
    "uint16": U16,
    "uint8": U8,
    "bool": BOOL,
}
"""torch's and numpy's names."""
_NAMES = {ours: name for name, ours in _BY_NAME.items()}


def dtype_from(dtype: Any, what: str) -> DType:
    """The IR's element type for torch's or numpy's. UnsupportedModel for complex, quantized and others the IR lacks."""
    found = _BY_NAME.get(str(dtype).removeprefix("torch."))
    if found is None:
        raise UnsupportedModel(f"{what} has element type {dtype}, which the IR lacks")
    return found


def torch_name(dtype: DType) -> str:
    """What torch calls an element type. UnsupportedModel for 4-bit integers."""
    found = _NAMES.get(dtype)
    if found is None:
        raise UnsupportedModel(f"torch has no element type {dtype}")
    return found


def torch_dtype(dtype: DType) -> Any:
    """torch's own object for an element type. UnsupportedModel for 4-bit integers."""
    import torch

    return getattr(torch, torch_name(dtype))
