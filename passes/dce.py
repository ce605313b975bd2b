"""Dead code: nodes whose results nobody uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from isthmus.ir.graph import Graph, Node
from isthmus.passes.base import Pass, PassContext


@dataclass(frozen=True)
class Dce(Pass):
    """Removes nodes whose results are not used. Inputs stay, used or not: they are the caller's."""

    name: ClassVar[str] = "dce"

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Visits every node once, users before makers."""
        changed = False
        for node in graph.nodes_reversed:
            if _is_dead(node):
                graph.erase(node)
                changed = True
            else:
                for region in node.regions.values():
                    changed |= self.run(region, ctx)
        return changed


def erase_dead(graph: Graph, nodes: list[Node]) -> list[Node]:
    """Erase those of `nodes` that are dead, and what dies with them; returns the makers that lost a use and live."""
    survivors: dict[Node, None] = {}
    while nodes:
        node = nodes.pop()
        if node.graph is not graph or not _is_dead(node):
            continue
        makers = [v.node for v in node.inputs if v.node is not None]
        graph.erase(node)
        nodes.extend(makers)
        survivors.update(dict.fromkeys(makers))
    return [node for node in survivors if node.graph is graph]


def _is_dead(node: Node) -> bool:
    return all(result.use_count == 0 for result in node.results)
