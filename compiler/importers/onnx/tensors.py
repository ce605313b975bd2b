"""TensorProto to Constant: sizes are checked at once and before anything is allocated, contents are read on demand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from onnx import SparseTensorProto, TensorProto

from isthmus.compiler.importers.onnx.external import ExternalData
from isthmus.compiler.importers.onnx.types import Storage, storage_of
from isthmus.ir.constant import Constant
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.types import BOOL, Array, DType, TensorType

MAX_RANK = 64
"""numpy's limit."""
MAX_DENSE_ELEMENTS = 1 << 26
"""Larger sparse tensors are refused: a few bytes could ask for any amount of memory."""


def constant(tensor: TensorProto, external: ExternalData) -> Constant:
    """The contents of a dense tensor.

    Raises MalformedModel where shape and data do not fit, UnsupportedModel for element types the IR lacks, and
    what `ExternalData` raises.
    """
    what = f"tensor {tensor.name!r}"
    storage = storage_of(tensor.data_type, what)
    shape = checked_shape(tensor.dims, what)
    type = TensorType(storage.dtype, shape)
    count = math.prod(shape)
    stored = _stored_elements(storage.dtype, count)
    nbytes = stored * storage.bits.itemsize
    if tensor.HasField("segment"):
        raise UnsupportedModel(f"{what} is stored in segments")
    decode = _decoder(storage, shape)
    if tensor.data_location == TensorProto.EXTERNAL:
        return external.constant(tensor, type, nbytes, decode)
    if tensor.HasField("raw_data"):
        raw = tensor.raw_data  # a copy, and the only one: the model itself need not stay in memory
        if len(raw) != nbytes:
            raise MalformedModel(f"{what} is {type}, {nbytes} bytes, but holds {len(raw)}")
        return Constant(type, lambda: decode(np.frombuffer(raw, np.uint8)))
    numbers = getattr(tensor, storage.field)
    if len(numbers) != stored:
        raise MalformedModel(f"{what} is {type}, {stored} numbers in {storage.field}, but holds {len(numbers)}")
    bits = _bits(numbers, storage).view(np.uint8)
    return Constant(type, lambda: decode(bits))


def dense(sparse: SparseTensorProto, external: ExternalData) -> Constant:
    """A sparse tensor with its zeros filled in. UnsupportedModel beyond MAX_DENSE_ELEMENTS."""
    what = f"sparse tensor {sparse.values.name!r}"
    values, indices = constant(sparse.values, external), constant(sparse.indices, external)
    shape = checked_shape(sparse.dims, what)
    numel = math.prod(shape)
    if numel > MAX_DENSE_ELEMENTS:
        raise UnsupportedModel(f"{what} would have {numel} elements if filled up")
    count = values.type.shape[0] if values.type.rank == 1 else -1
    if indices.type.shape not in ((count,), (count, len(shape))) or indices.type.dtype.name != "i64":
        raise MalformedModel(f"{what} has values {values.type} and indices {indices.type} for shape {list(shape)}")

    def load() -> Array:
        flat = np.zeros(numel, values.type.dtype.numpy)
        at = indices.array
        places = at if at.ndim == 1 else np.ravel_multi_index(tuple(at.T), shape)
        flat[places] = values.array
        return flat.reshape(shape)

    array = indices.array
    limits = np.array(shape if array.ndim == 2 else [numel])
    if array.size and (array.min() < 0 or (array >= limits).any()):
        raise MalformedModel(f"{what} has indices outside its shape {list(shape)}")
    return Constant(TensorType(values.type.dtype, shape), load)


def checked_shape(dims: Iterable[int], what: str) -> tuple[int, ...]:
    """The sizes as a tuple; MalformedModel where one is negative, UnsupportedModel beyond numpy's rank limit."""
    shape = tuple(dims)
    if len(shape) > MAX_RANK:
        raise UnsupportedModel(f"{what} has rank {len(shape)}, more than {MAX_RANK}")
    if any(d < 0 for d in shape):
        raise MalformedModel(f"{what} has a negative size: {list(shape)}")
    return shape


def _stored_elements(dtype: DType, count: int) -> int:
    return (count + 1) // 2 if dtype.bits == 4 else count


def _bits(numbers: Iterable[float], storage: Storage) -> Array:
    array = np.array(numbers)
    if storage.dtype == BOOL:
        found: Array = array != 0
        return found
    return array.astype(storage.bits) if array.size else np.empty(0, storage.bits)


def _decoder(storage: Storage, shape: tuple[int, ...]) -> Callable[[Array], Array]:
    dtype = storage.dtype

    def decode(data: Array) -> Array:
        if dtype == BOOL:
            data = data != 0
        elif dtype.bits == 4:
            nibbles = np.stack([data & 15, data >> 4], axis=-1).reshape(-1)[: math.prod(shape)]
            signed = (nibbles ^ 8).astype(np.int8) - 8
            data = (signed if dtype.kind == "int" else nibbles).astype(dtype.numpy)
        return data.view(dtype.numpy).reshape(shape)

    return decode
