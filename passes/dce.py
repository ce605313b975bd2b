"""Dead code: nodes whose results nobody uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from isthmus.ir.dim import Symbol, symbols
from isthmus.ir.graph import Graph, Node, dims_of
from isthmus.passes.base import Pass, PassContext


@dataclass(frozen=True)
class Dce(Pass):
    """Removes nodes whose results are not used, nor sizes that only they tell. Inputs stay: they are the caller's."""

    name: ClassVar[str] = "dce"

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Visits every node once, users before makers."""
        changed = False
        for node in graph.nodes_reversed:
            if is_dead(graph, node):
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
        if node.graph is not graph or not is_dead(graph, node):
            continue
        makers = [v.node for v in node.inputs if v.node is not None]
        graph.erase(node)
        nodes.extend(makers)
        survivors.update(dict.fromkeys(makers))
    return [node for node in survivors if node.graph is graph]


def is_dead(graph: Graph, node: Node) -> bool:
    """Whether nobody uses the node's results, nor sizes that only it can tell."""
    if any(result.use_count for result in node.results):
        return False
    told = _sizes_told(node)
    return not told or not any(told & _sizes_mentioned(other) for other in graph.walk() if other is not node)


def _sizes_told(node: Node) -> frozenset[Symbol]:
    """Symbols of the results that neither operands nor attributes show: running the node tells them."""
    told = _union(r.type.symbols() for r in node.results)
    return told - _union(v.type.symbols() for v in node.inputs) - _in_attributes(node) if told else told


def _sizes_mentioned(node: Node) -> frozenset[Symbol]:
    return _union(r.type.symbols() for r in node.results) | _in_attributes(node)


def _in_attributes(node: Node) -> frozenset[Symbol]:
    return _union(symbols(d) for d in dims_of(node.attrs))


def _union(sets: Iterable[frozenset[Symbol]]) -> frozenset[Symbol]:
    return frozenset().union(*sets)
