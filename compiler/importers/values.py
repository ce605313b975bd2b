"""Small things that compositions of every format need: sizes as tensors, element types."""

from __future__ import annotations

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value
from isthmus.ir.types import DType


def number(b: ImportBuilder, size: Dim) -> Value:
    """A size as a 0-d tensor: i64."""
    return b.reshape(b.dims((size,)), shape=())


def in_dtype(b: ImportBuilder, x: Value, dtype: DType) -> Value:
    """x in another element type; x itself where it has it."""
    return x if x.dtype == dtype else b.cast(x, dtype=dtype)
