"""What running a graph on samples shows of its values: ranges, and a few elements of each to compare others with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import Array
from isthmus.passes.precision.ranges import Range, range_of

Sample: TypeAlias = Mapping[str, Array]

_PICKED = 4096
_MASKED = -1e4
"""Scores below this are masked out."""


@dataclass
class Profile:
    """What was seen of each floating-point value, regions' values included, over all samples."""

    ranges: dict[Value, Range] = field(default_factory=dict)
    picks: defaultdict[Value, list[Array]] = field(default_factory=lambda: defaultdict(list))
    """For each time a value was made, some of its elements."""
    holes: defaultdict[Value, int] = field(default_factory=lambda: defaultdict(int))
    """How many elements were infinite or NaN."""
    closed: set[Value] = field(default_factory=set)
    """Values with a row (of the last axis) that is masked out everywhere."""
    outputs: list[dict[str, Array]] = field(default_factory=list)
    """The graph's outputs for each sample."""

    def see(self, value: Value, array: Array) -> None:
        """Take note of a value."""
        if not value.dtype.is_float:
            return
        seen = range_of(array)
        self.ranges[value] = self.ranges[value] | seen if value in self.ranges else seen
        self.picks[value].append(picked(array))
        self.holes[value] += holes(array)
        if seen.low < _MASKED and array.ndim and array.size and bool((array.max(axis=-1) < _MASKED).any()):
            self.closed.add(value)


def profile(graph: Graph, samples: Sequence[Sample]) -> Profile:
    """Run `graph` on every sample and look at all values. Memory stays bounded by a few elements a value."""
    found = Profile()
    for sample in samples:
        found.outputs.append(evaluate(graph, sample, observe=found.see))
    return found


def picked(array: Array) -> Array:
    """A few thousand elements at even distances, in f32 at least."""
    flat = array.reshape(-1)[:: max(array.size // _PICKED, 1)]
    return flat.astype(np.float32 if flat.dtype.itemsize < 4 else flat.dtype)


def holes(array: Array) -> int:
    """How many elements are infinite or NaN."""
    return int(array.size - np.count_nonzero(np.isfinite(array)))
