"""TensorProto to Constant: sizes are checked before anything is allocated."""

from __future__ import annotations

import math

import numpy as np

from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.compiler.importers.tensorflow.types import COMPLEX64, dtype_from, normal
from isthmus.ir.constant import Constant
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.types import Array, DType, TensorType

MAX_RANK = 64
"""numpy's limit."""
MAX_REPEATED_BYTES = 1 << 28
"""A constant given by one number for all elements may be at most this large: a small file must not take all memory."""

_FIELDS = {
    "f32": "float_val",
    "f64": "double_val",
    "i32": "int_val",
    "i16": "int_val",
    "i8": "int_val",
    "u8": "int_val",
    "u16": "int_val",
    "u32": "uint32_val",
    "u64": "uint64_val",
    "i64": "int64_val",
    "bool": "bool_val",
    "f16": "half_val",
    "bf16": "half_val",
    "i4": "int_val",
    "u4": "int_val",
    "f8e4m3": "float8_val",
    "f8e5m2": "float8_val",
}


def static_shape(shape: Message, what: str) -> tuple[int, ...]:
    """The sizes of a TensorShapeProto in which all must be known."""
    sizes = tuple(d.size for d in shape.dim)
    if shape.unknown_rank or len(sizes) > MAX_RANK:
        raise UnsupportedModel(f"{what} has no rank, or one above {MAX_RANK}")
    if any(d < 0 for d in sizes):
        raise MalformedModel(f"{what} has a negative size: {list(sizes)}")
    return sizes


def constant(tensor: Message, what: str) -> Constant:
    """The contents of a TensorProto: raw bytes, one number an element, or fewer, of which the last repeats."""
    type = TensorType(dtype_from(tensor.dtype, what), static_shape(tensor.tensor_shape, what))
    count = math.prod(d for d in type.shape if isinstance(d, int))
    if tensor.tensor_content:
        return _from_bytes(tensor.tensor_content, type, count, what)
    numbers = _numbers(tensor, type.dtype)
    if len(numbers) > count:
        raise MalformedModel(f"{what} is {type} but holds {len(numbers)} numbers")
    if count * type.dtype.numpy.itemsize > MAX_REPEATED_BYTES and len(numbers) < count:
        raise UnsupportedModel(f"{what} is {type} but holds {len(numbers)} numbers: it is too large to fill")

    def load() -> Array:
        if len(numbers) == count:
            return numbers.reshape(type.shape)  # type: ignore[arg-type]
        last = numbers[-1:] if len(numbers) else np.zeros(1, type.dtype.numpy)
        return np.concatenate([numbers, np.repeat(last, count - len(numbers))]).reshape(type.shape)  # type: ignore[arg-type]

    return Constant(type, load)


def complex_constant(tensor: Message, what: str) -> tuple[Array, Array]:
    """The real and the imaginary parts of a complex TensorProto."""
    short = normal(tensor.dtype) == COMPLEX64
    numpy, part = np.dtype(np.complex64 if short else np.complex128), np.float32 if short else np.float64
    shape = static_shape(tensor.tensor_shape, what)
    count = math.prod(shape)
    if count * numpy.itemsize > MAX_REPEATED_BYTES:
        raise UnsupportedModel(f"{what} has {count} complex numbers")
    if tensor.tensor_content:
        if len(tensor.tensor_content) != count * numpy.itemsize:
            raise MalformedModel(f"{what} has {count} complex numbers but {len(tensor.tensor_content)} bytes")
        numbers = np.frombuffer(tensor.tensor_content, numpy)
    else:
        pairs = np.array(tensor.scomplex_val or tensor.dcomplex_val or [0.0, 0.0], part)
        if len(pairs) % 2 or len(pairs) > 2 * max(count, 1):
            raise MalformedModel(f"{what} has {count} complex numbers but {len(pairs)} parts")
        numbers = np.resize(pairs.view(numpy), count) if len(pairs) == 2 else pairs.view(numpy)
        if len(numbers) != count:
            raise MalformedModel(f"{what} has {count} complex numbers but holds {len(numbers)}")
    whole = numbers.reshape(shape)
    return np.ascontiguousarray(whole.real), np.ascontiguousarray(whole.imag)


def texts(tensor: Message, what: str) -> tuple[tuple[int, ...], tuple[bytes, ...]]:
    """Shape and elements of a tensor of strings."""
    shape = static_shape(tensor.tensor_shape, what)
    count, found = math.prod(shape), tuple(tensor.string_val)
    if len(found) not in (1, count) or count > MAX_REPEATED_BYTES:
        raise MalformedModel(f"{what} has shape {list(shape)} but {len(found)} strings")
    return shape, found


def _from_bytes(raw: bytes, type: TensorType, count: int, what: str) -> Constant:
    size = type.dtype.numpy.itemsize
    if len(raw) != count * size:
        raise MalformedModel(f"{what} is {type}, {count * size} bytes, but holds {len(raw)}")
    return Constant(type, lambda: np.frombuffer(raw, type.dtype.numpy).reshape(type.shape))  # type: ignore[arg-type]


def _numbers(tensor: Message, dtype: DType) -> Array:
    field = getattr(tensor, _FIELDS[dtype.name])
    if isinstance(field, bytes):
        return np.frombuffer(field, np.uint8).view(dtype.numpy)
    if dtype.is_float and dtype.bits == 16:
        return np.array(field, np.int64).astype(np.uint16).view(dtype.numpy)
    wide = np.array(field, np.float64 if dtype.is_float else None if field else np.int64)
    return wide.astype(dtype.numpy)
