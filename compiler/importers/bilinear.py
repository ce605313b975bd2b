"""Images sampled between their pixels, at places that each have a row and a column of their own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import product
from typing import NamedTuple

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.values import number
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value
from isthmus.ir.types import I64


class _Corner(NamedTuple):
    """One of the two neighbours of places along an axis."""

    place: Value
    weight: Value
    inside: Value


def sampled(b: ImportBuilder, pixels: Value, first: Value, at: Sequence[Value], sizes: Sequence[Dim]) -> Value:
    """Each place `at` (y, x) as the weighted sum of the four pixels around it: [*places, C]. As `weighed_pixels`."""
    return reduce(lambda x, y: b.add(x, y), weighed_pixels(b, pixels, first, at, sizes))


def weighed_pixels(
    b: ImportBuilder, pixels: Value, first: Value, at: Sequence[Value], sizes: Sequence[Dim]
) -> list[Value]:
    """The four pixels around each place `at` (y, x), times their weights: each [*places, C]. Those outside are zero.

    pixels [rows, C] are planes of `sizes` (height, width) one after another; `first` (i64) says in which row the plane
    of a place begins. `first`, y and x broadcast to the places.
    """
    found = []
    for row, column in product(*(_corners(b, each, size) for each, size in zip(at, sizes, strict=True))):
        index = b.add(b.add(first, b.mul(row.place, number(b, sizes[1]))), column.place)
        inside = b.logical_and(row.inside, column.inside)
        value = b.where(_column(b, inside), b.gather(pixels, index, axis=0), 0.0)
        found.append(b.mul(value, _column(b, b.mul(row.weight, column.weight))))
    return found


def _corners(b: ImportBuilder, at: Value, size: Dim) -> list[_Corner]:
    low = b.floor(at)
    beyond = b.sub(at, low)
    last = b.sub(number(b, size), 1)
    found = []
    for step, weight in ((0, b.sub(1.0, beyond)), (1, beyond)):
        place = b.add(b.cast(low, dtype=I64), step)
        inside = b.logical_and(b.greater_equal(place, 0), b.less_equal(place, last))
        found.append(_Corner(b.minimum(b.maximum(place, 0), last), weight, inside))
    return found


def _column(b: ImportBuilder, x: Value) -> Value:
    return b.reshape(x, shape=(*x.shape, 1))
