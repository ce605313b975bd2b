"""The reference evaluator as a backend: slow, and right by definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from isthmus.backends.base import SUPPORTED, Backend, BuildOptions, Support
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Node
from isthmus.ir.types import Array


@dataclass(frozen=True)
class Evaluation:
    """A graph that is interpreted at each call."""

    graph: Graph

    @property
    def info(self) -> Mapping[str, str]:
        """The name of the interpreter."""
        return {"engine": "numpy evaluator"}

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs in order; never views of the inputs."""
        found = evaluate(self.graph, arrays).values()
        return [array.copy() for array in found]


class ReferenceBackend(Backend):
    """Runs every op by its numpy meaning."""

    name: ClassVar[str] = "reference"

    def supports(self, node: Node) -> Support:
        """Yes: a row of the op table is its own implementation."""
        return SUPPORTED

    def build(self, graph: Graph, options: BuildOptions) -> Evaluation:
        """Keeps a copy, so that later edits of `graph` do not change the program."""
        return Evaluation(graph.copy())
