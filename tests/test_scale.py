"""Work grows no faster than the graph: counted in calls of isthmus's own functions, which no busy machine changes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import isthmus
from isthmus.ir import difference, parse, print_graph, verify
from isthmus.ir.graph import Graph
from tests.support.large import model_of

SMALL, LARGE = 1000, 4000
GROWTH = 1.1 * LARGE / SMALL
PACKAGE = str(Path(isthmus.__file__).parent)


def calls(work: Callable[[], object]) -> int:
    """How many calls of isthmus's functions, and of builtins by them, `work` makes."""
    count = 0

    def observe(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        if event in ("call", "c_call") and frame.f_code.co_filename.startswith(PACKAGE):
            count += 1

    before = sys.getprofile()
    sys.setprofile(observe)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def imported(nodes: int) -> Graph:
    return isthmus.import_model(model_of(nodes))


def importing(nodes: int) -> Callable[[], object]:
    model = model_of(nodes)
    return lambda: isthmus.import_model(model)


def parsing(nodes: int) -> Callable[[], object]:
    text = print_graph(imported(nodes))
    return lambda: parse(text)


def on_graph(work: Callable[[Graph], object]) -> Callable[[int], Callable[[], object]]:
    def prepare(nodes: int) -> Callable[[], object]:
        graph = imported(nodes)
        return lambda: work(graph)

    return prepare


STAGES: dict[str, Callable[[int], Callable[[], object]]] = {
    "import": importing,
    "verify": on_graph(verify),
    "optimize": on_graph(isthmus.optimize),
    "print": on_graph(print_graph),
    "parse": parsing,
    "compare": on_graph(lambda graph: difference(graph, graph.copy())),
    "erase": on_graph(lambda graph: erase_all(graph)),
}


def erase_all(graph: Graph) -> None:
    """Take out every node, users before makers."""
    graph.set_outputs(list(graph.inputs), ["x"])
    for node in graph.nodes_reversed:
        graph.erase(node)


@pytest.mark.parametrize("stage", STAGES)
def test_work_grows_with_the_graph_and_no_faster(stage: str) -> None:
    prepare = STAGES[stage]
    prepare(100)()  # grammars and tables are made once
    small, large = calls(prepare(SMALL)), calls(prepare(LARGE))
    assert small > SMALL / 10
    assert large <= GROWTH * small, f"{small} calls for {SMALL} nodes, {large} for {LARGE}"
