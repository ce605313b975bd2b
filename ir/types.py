"""Element types and tensor types. Both are immutable; a tensor's rank is always known, its sizes may be symbolic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from isthmus.ir.dim import Dim, Shape, Symbol, product, symbols

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class DType:
    """An element type: its name in IR text, the numpy type that carries it, its kind and its width in bits."""

    name: str
    numpy: np.dtype[Any]
    kind: str
    bits: int

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name

    @property
    def is_float(self) -> bool:
        """Whether the type is a binary floating-point format of any width."""
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        """Whether the type is a signed or unsigned integer (bool is neither)."""
        return self.kind in ("int", "uint")


def _dtype(name: str, numpy: Any, kind: str, bits: int) -> DType:
    return DType(name, np.dtype(numpy), kind, bits)


F64 = _dtype("f64", np.float64, "float", 64)
F32 = _dtype("f32", np.float32, "float", 32)
F16 = _dtype("f16", np.float16, "float", 16)
BF16 = _dtype("bf16", ml_dtypes.bfloat16, "float", 16)
F8E4M3 = _dtype("f8e4m3", ml_dtypes.float8_e4m3fn, "float", 8)
F8E5M2 = _dtype("f8e5m2", ml_dtypes.float8_e5m2, "float", 8)
I64 = _dtype("i64", np.int64, "int", 64)
I32 = _dtype("i32", np.int32, "int", 32)
I16 = _dtype("i16", np.int16, "int", 16)
I8 = _dtype("i8", np.int8, "int", 8)
I4 = _dtype("i4", ml_dtypes.int4, "int", 4)
U64 = _dtype("u64", np.uint64, "uint", 64)
U32 = _dtype("u32", np.uint32, "uint", 32)
U16 = _dtype("u16", np.uint16, "uint", 16)
U8 = _dtype("u8", np.uint8, "uint", 8)
U4 = _dtype("u4", ml_dtypes.uint4, "uint", 4)
BOOL = _dtype("bool", np.bool_, "bool", 1)

DTYPES: dict[str, DType] = {
    t.name: t for t in (F64, F32, F16, BF16, F8E4M3, F8E5M2, I64, I32, I16, I8, I4, U64, U32, U16, U8, U4, BOOL)
}
_BY_NUMPY = {t.numpy: t for t in DTYPES.values()}


def dtype_of(array: Array) -> DType:
    """The element type that carries `array`; TypeError for numpy types the IR has no name for."""
    found = _BY_NUMPY.get(array.dtype.newbyteorder("="))
    if found is None:
        raise TypeError(f"no IR element type for numpy {array.dtype}")
    return found


@dataclass(frozen=True)
class TensorType:
    """An element type and a shape, written `f32[N, 3, 224, 224]`."""

    dtype: DType
    shape: Shape

    @cached_property
    def _text(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"

    def __str__(self) -> str:
        return self._text

    @property
    def rank(self) -> int:
        """How many dimensions there are."""
        return len(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether every dimension is a number."""
        return all(isinstance(d, int) for d in self.shape)

    def numel(self) -> Dim:
        """How many elements there are."""
        return product(self.shape)

    def nbytes(self) -> Dim:
        """Size in bytes as the IR carries it (sub-byte types packed)."""
        return (self.numel() * self.dtype.bits + 7) // 8

    def symbols(self) -> frozenset[Symbol]:
        """Every symbol that occurs in the shape."""
        if self.is_static:
            return frozenset()
        return frozenset().union(*map(symbols, self.shape))

    def with_shape(self, shape: Iterable[Dim]) -> TensorType:
        """The same element type with another shape."""
        return TensorType(self.dtype, tuple(shape))

    def with_dtype(self, dtype: DType) -> TensorType:
        """The same shape with another element type."""
        return TensorType(dtype, self.shape)


def type_of(array: Array) -> TensorType:
    """The type of a numpy array."""
    return TensorType(dtype_of(array), tuple(int(n) for n in array.shape))
