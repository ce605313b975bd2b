"""The op table's cases in one graph: building one program costs less than building many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from isthmus.backends.base import Backend
from isthmus.ir.builder import Builder
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import Array
from isthmus.ir.verify import verify
from tests.support.opcases import Case


@dataclass(frozen=True)
class Together:
    """Cases side by side."""

    graph: Graph
    arrays: list[Array]
    owners: list[Case]
    """For each output, the case it belongs to."""


def together(cases: Iterable[Case], inputs_of: Callable[[Case], list[Array]]) -> Together:
    """The cases as one graph that is not legalized, and what to run it on."""
    graph = Graph("cases")
    b = Builder(graph)
    owners: list[Case] = []
    results: list[Value] = []
    arrays: list[Array] = []
    for i, case in enumerate(cases):
        made = case.add_to(b, f"c{i}_")
        owners += [case] * len(made)
        results += made
        arrays += inputs_of(case)
    graph.set_outputs(results, [f"y{i}" for i in range(len(results))])
    return Together(graph, arrays, owners)


def is_taken(case: Case, backend: Backend) -> bool:
    """Whether the backend takes the case once legalized; AssertionError where it refuses without a reason."""
    graph = case.graph()
    backend.legalize(graph)
    verify(graph)
    refused = backend.unsupported(graph)
    assert all(len(reason) > 10 for _, reason in refused)
    return not refused
