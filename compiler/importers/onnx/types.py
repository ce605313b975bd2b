"""ONNX element types and the IR's, and how a TensorProto stores each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from isthmus.ir import types as ir
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.types import DType


@dataclass(frozen=True)
class Storage:
    """An element type, the TensorProto field that holds its numbers, and the numpy type of that field's bits."""

    dtype: DType
    field: str
    bits: np.dtype[Any]


def _row(code: int, dtype: DType, field: str, bits: Any = None) -> tuple[int, Storage]:
    return code, Storage(dtype, field, np.dtype(dtype.numpy if bits is None else bits))


STORAGE: dict[int, Storage] = dict(
    (
        _row(TensorProto.FLOAT, ir.F32, "float_data"),
        _row(TensorProto.DOUBLE, ir.F64, "double_data"),
        _row(TensorProto.FLOAT16, ir.F16, "int32_data", np.uint16),
        _row(TensorProto.BFLOAT16, ir.BF16, "int32_data", np.uint16),
        _row(TensorProto.FLOAT8E4M3FN, ir.F8E4M3, "int32_data", np.uint8),
        _row(TensorProto.FLOAT8E5M2, ir.F8E5M2, "int32_data", np.uint8),
        _row(TensorProto.INT64, ir.I64, "int64_data"),
        _row(TensorProto.INT32, ir.I32, "int32_data"),
        _row(TensorProto.INT16, ir.I16, "int32_data"),
        _row(TensorProto.INT8, ir.I8, "int32_data"),
        _row(TensorProto.INT4, ir.I4, "int32_data", np.uint8),
        _row(TensorProto.UINT64, ir.U64, "uint64_data"),
        _row(TensorProto.UINT32, ir.U32, "uint64_data"),
        _row(TensorProto.UINT16, ir.U16, "int32_data"),
        _row(TensorProto.UINT8, ir.U8, "int32_data"),
        _row(TensorProto.UINT4, ir.U4, "int32_data", np.uint8),
        _row(TensorProto.BOOL, ir.BOOL, "int32_data"),
    )
)

_CODES = {storage.dtype: code for code, storage in STORAGE.items()}


def storage_of(code: int, what: str) -> Storage:
    """How ONNX element type number `code` is stored. MalformedModel if it is none, UnsupportedModel if we lack it."""
    if code in STORAGE:
        return STORAGE[code]
    if code not in TensorProto.DataType.values() or code == TensorProto.UNDEFINED:
        raise MalformedModel(f"{what} has no valid element type ({code})")
    raise UnsupportedModel(f"{what} has element type {TensorProto.DataType.Name(code)}, which is not supported")


def dtype_from(code: int, what: str) -> DType:
    """The IR's name for ONNX element type number `code`; errors as `storage_of`."""
    return storage_of(code, what).dtype


def code_of(dtype: DType) -> int:
    """ONNX's number for an element type."""
    return _CODES[dtype]
