"""Common subexpressions: the same op on the same operands with the same attributes is computed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from isthmus.ir.compare import exact_key
from isthmus.ir.graph import Graph, Node
from isthmus.ir.op import Trait
from isthmus.passes.base import Pass, PassContext


@dataclass(frozen=True)
class Cse(Pass):
    """Merges nodes that compute the same, and constants with the same contents."""

    name: ClassVar[str] = "cse"

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Visits every node once.

        A large constant is hashed only when a sample of it equals another's, and not even read while no other has its
        type: the weights of a large model stay on disk.
        """
        types = Counter(node.result.type for node in graph.nodes if node.op.name == "const")
        seen: dict[Hashable, Node] = {}
        changed = False
        for node in graph.nodes:
            if node.regions:
                for region in node.regions.values():
                    changed |= self.run(region, ctx)
            elif not node.op.has(Trait.IMPURE) and not (node.op.name == "const" and types[node.result.type] == 1):
                twin = seen.setdefault(_key(node), node)
                if twin is not node:
                    _merge(graph, node, twin)
                    changed = True
        return changed


def _key(node: Node) -> Hashable:
    """Equal for nodes with equal results. Types take part: two sizes only running can tell may not be mixed up."""
    operands = [id(v) for v in node.operands]
    if node.op.has(Trait.COMMUTATIVE):
        operands.sort()
    types = tuple(r.type for r in node.results)
    return id(node.op), tuple(operands), tuple(map(exact_key, node.attrs.values())), types


def _merge(graph: Graph, node: Node, twin: Node) -> None:
    for old, new in zip(node.results, twin.results, strict=True):
        graph.replace_uses(old, new)
    graph.erase(node)
