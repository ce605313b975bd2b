"""Determinants of small matrices, by elimination with the largest pivot of each column."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64

_LARGEST = 32
"""Each row takes some twenty nodes."""


@lowers("Det", since=11)
def det(b: OnnxBuilder, x: Value) -> Value:
    """The determinants of matrices [*, M, M]: [*]."""
    if x.rank < 2 or x.shape[-1] != x.shape[-2]:
        raise MalformedModel(f"Det: {x} holds no square matrices")
    size = x.shape[-1]
    if not isinstance(size, int) or size > _LARGEST:
        raise UnsupportedModel(f"Det of {size} by {size} matrices", hint=f"the size must be known, at most {_LARGEST}")
    batch = x.shape[:-2]
    found = b.full(b.const(1.0, x.dtype), shape=batch)
    for left in range(size, 1, -1):
        pivot, x = _eliminated(b, x, left)
        found = b.mul(found, b.reshape(pivot, shape=batch))
    return b.mul(found, b.reshape(x, shape=batch)) if size else found


def _eliminated(b: OnnxBuilder, x: Value, size: int) -> tuple[Value, Value]:
    """What the first column contributes [*, 1, 1], and the matrices [*, size - 1, size - 1] without it and its pivot.

    The row of the pivot changes places with the first one, which turns the sign.
    """
    down, across = x.rank - 2, x.rank - 1
    parts = (1, size - 1)
    column, _ = b.split(x, axis=across, sizes=parts)
    at = b.argmax(b.abs(column), axis=down, keepdims=True)
    row = b.gather_elements(x, b.expand(at, shape=(*x.shape[:-2], 1, size)), axis=down)
    top, _ = b.split(x, axis=down, sizes=parts)
    is_pivot = b.equal(b.iota(dtype=I64, shape=(size, 1), axis=0), at)
    _, below = b.split(b.where(is_pivot, top, x), axis=down, sizes=parts)
    pivot, along = b.split(row, axis=across, sizes=parts)
    ahead, rest = b.split(below, axis=across, sizes=parts)
    divisor = b.where(b.equal(pivot, 0.0), 1.0, pivot)  # a column of zeros: the product is zero whatever is left
    left = b.sub(rest, b.mul(b.div(ahead, divisor), along))
    return b.where(b.equal(at, 0), pivot, b.neg(pivot)), left
