"""Inputs to measure with where the user gives none."""

from __future__ import annotations

from isthmus.ir.dim import as_symbol, symbols
from isthmus.ir.errors import EvaluationError
from isthmus.ir.graph import Graph
from isthmus.passes.numerics import seeded_inputs, sizes
from isthmus.passes.precision.profile import Profile, Sample, profile

_USUAL = 16
_BASES = (2, 5, 13)


def profile_drawn(graph: Graph, count: int) -> tuple[list[Sample], Profile]:
    """`count` seeded samples of sizes on which the graph runs, and its profile; none where no sizes are found."""
    for bindings in [usual_sizes(graph), *(sizes(graph, base) for base in _BASES)]:
        drawn: list[Sample] = [seeded_inputs(graph, seed, bindings) for seed in range(count)]
        try:
            return drawn, profile(graph, drawn)
        except EvaluationError:
            continue
    return [], Profile()


def usual_sizes(graph: Graph) -> dict[str, int]:
    """A batch of one, and 16 of everything else that has no size, within bounds."""
    chosen: dict[str, int] = {}
    for value in graph.inputs:
        for axis, dim in enumerate(value.shape):
            for symbol in sorted(symbols(dim), key=str):
                wanted = 1 if axis == 0 and as_symbol(dim) is not None else _USUAL
                wanted = max(wanted, symbol.low)
                chosen.setdefault(symbol.name, wanted if symbol.high is None else min(wanted, symbol.high))
    return chosen
