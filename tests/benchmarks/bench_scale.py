"""Does the time a node takes stay the same as graphs grow? Import, optimize, print and parse of large graphs."""

from __future__ import annotations

import isthmus
from isthmus.ir import parse, print_graph
from isthmus.ir.graph import Graph
from tests.benchmarks.measure import seconds, show
from tests.support.large import model_of

SIZES = (10_000, 30_000, 100_000)
STAGES = ("import", "optimize", "print", "parse")


def measure(nodes: int) -> tuple[int, dict[str, float]]:
    """The nodes there are, constants included, and the seconds of each stage."""
    data = model_of(nodes).SerializeToString()
    made: dict[str, Graph] = {}
    text = ""

    def run_import() -> None:
        made["imported"] = isthmus.import_model(data)

    def run_optimize() -> None:
        made["optimized"] = isthmus.optimize(made["imported"])

    def run_print() -> None:
        nonlocal text
        text = print_graph(made["imported"])

    def run_parse() -> None:
        made["parsed"] = parse(text)

    stages = zip(STAGES, (run_import, run_optimize, run_print, run_parse), strict=True)
    times = {name: seconds(stage) for name, stage in stages}
    return len(made["imported"]), times


def main() -> None:
    """Measure and print; growth near 1 means linear."""
    found = {nodes: measure(nodes) for nodes in SIZES}
    rows: list[list[object]] = []
    for stage in STAGES:
        each = [times[stage] / count * 1e6 for count, times in found.values()]
        totals = [times[stage] for _, times in found.values()]
        rows.append([stage, *totals, *each, each[-1] / each[0]])
    columns = ["stage", *(f"{n // 1000}k s" for n in SIZES), *(f"{n // 1000}k us/node" for n in SIZES), "growth"]
    show("scale", columns, rows, "growth: time a node takes in the largest graph over that in the smallest")


if __name__ == "__main__":
    main()
