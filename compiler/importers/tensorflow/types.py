"""TensorFlow's element types and the IR's. Source: tensorflow/core/framework/types.proto."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.ir import types as ir
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.types import DType

STRING, COMPLEX64, COMPLEX128, RESOURCE, VARIANT = 7, 8, 18, 20, 21
_REFERENCE = 100
"""A reference to a tensor of type t is numbered 100 + t."""

_DTYPES: dict[int, DType] = {
    1: ir.F32,
    2: ir.F64,
    3: ir.I32,
    4: ir.U8,
    5: ir.I16,
    6: ir.I8,
    9: ir.I64,
    10: ir.BOOL,
    11: ir.I8,  # qint8
    12: ir.U8,  # quint8
    13: ir.I32,  # qint32
    14: ir.BF16,
    15: ir.I16,  # qint16
    16: ir.U16,  # quint16
    17: ir.U16,
    19: ir.F16,
    22: ir.U32,
    23: ir.U64,
    24: ir.F8E5M2,
    25: ir.F8E4M3,
    29: ir.I4,
    30: ir.U4,
}
_NAMES = {STRING: "string", COMPLEX64: "complex64", COMPLEX128: "complex128", RESOURCE: "resource", VARIANT: "variant"}


@dataclass(frozen=True)
class ComplexType:
    """The type of complex numbers whose parts are of an element type of the IR."""

    part: DType


def complex_from(code: int) -> ComplexType | None:
    """The complex type that TensorFlow's type number means; None if it means another."""
    found = {COMPLEX64: ir.F32, COMPLEX128: ir.F64}.get(normal(code))
    return None if found is None else ComplexType(found)


def normal(code: int) -> int:
    """The number of the element type, whether a tensor or a reference to one is meant."""
    return code - _REFERENCE if code > _REFERENCE else code


def dtype_from(code: int, what: str) -> DType:
    """The IR's name for TensorFlow's type number. UnsupportedModel for types the IR lacks, MalformedModel for none."""
    found = _DTYPES.get(normal(code))
    if found is not None:
        return found
    if normal(code) in _NAMES:
        raise UnsupportedModel(f"{what} has element type {_NAMES[normal(code)]}, which is not supported")
    raise MalformedModel(f"{what} has no valid element type ({code})")
