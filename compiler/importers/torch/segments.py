"""Stretches of a vector."""

from __future__ import annotations

from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value


def segments(b: TorchBuilder, begins: Value, length: Dim) -> Value:
    """For each of `length` places the number of the segment it lies in: how many begin there or before, less one.

    `begins` [S] ascend from 0; of several that begin at one place all but the last are empty.
    """
    zeros = b.full(b.const(0), shape=(length + 1,))  # empty segments at the end begin behind the last place
    ones = b.full(b.const(1), shape=begins.shape)
    begun = b.scatter_elements(zeros, begins, ones, axis=0, reduction="add")
    inside = b.slice(begun, axes=(0,), starts=(0,), stops=(length,), steps=(1,))
    return b.sub(b.cumsum(inside, axis=0), 1)
