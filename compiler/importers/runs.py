"""Runs: what follows each other in a vector and is equal."""

from __future__ import annotations

from typing import NamedTuple

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.ir.graph import Value
from isthmus.ir.types import I64


class Runs(NamedTuple):
    """The R runs of a vector of n elements, all i64."""

    starts: Value
    """Where each begins: [R], whose size only running can tell."""
    groups: Value
    """In which run each element is: [n]."""
    counts: Value
    """How many elements each has: [R]."""


def runs(b: ImportBuilder, differs: Value) -> Runs:
    """The runs of a vector; `differs` [n] says of its elements whether each differs from the one before.

    What it says of the first is not looked at. Whether one NaN is like another is for formats to say.
    """
    places = b.iota(dtype=I64, shape=differs.shape, axis=0)
    begins = b.logical_or(b.equal(places, 0), differs)
    starts = b.non_zero(begins)
    starts = b.reshape(starts, shape=(starts.shape[1],))
    groups = b.sub(b.cumsum(b.cast(begins, dtype=I64), axis=0), 1)
    ones = b.full(b.const(1), shape=places.shape)
    counts = b.scatter_elements(b.full(b.const(0), shape=starts.shape), groups, ones, axis=0, reduction="add")
    return Runs(starts, groups, counts)


def before(b: ImportBuilder, x: Value) -> Value:
    """The slice of x [n, ...] before each one; for the first, itself."""
    places = b.iota(dtype=I64, shape=x.shape[:1], axis=0)
    return b.gather(x, b.maximum(b.sub(places, 1), 0), axis=0)
