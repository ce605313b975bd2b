"""Constants brought into the form that weights and biases have."""

from __future__ import annotations

from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value


def as_vector(b: Builder, c: Value, size: Dim) -> Value:
    """c, which holds `size` elements or one for all, as a vector of `size`."""
    if c.type.numel() == size:
        return b.reshape(c, shape=(size,))
    return b.expand(b.reshape(c, shape=(1,)), shape=(size,))
