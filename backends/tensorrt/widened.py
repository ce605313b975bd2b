"""What a narrow network computes in f32 nonetheless: nodes kept so by passes, and ops that are made of wider steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

from isthmus.ir.graph import Graph, Node

_MOVES = ("const", "cast")
"""What stands at the edges of f32 computation, and computes nothing."""


def ops_in_f32(definition: Any, float32: Any, nodes: Sequence[Node | None], graph: Graph) -> Counter[str]:
    """Op -> how many nodes of the graph have f32 among the tensors that their layers make.

    `nodes` are what the layers stand for, in the network's order. Nodes count as the composite that legalizing made
    them of: those of one source location once, and without one those that follow each other.
    """
    layers = map(definition.get_layer, range(definition.num_layers))
    wide = {
        node
        for layer, node in zip(layers, nodes, strict=False)
        if node is not None and any(layer.get_output(i).dtype == float32 for i in range(layer.num_outputs))
    }
    found: dict[Hashable, str] = {}
    run, before = 0, ""
    for node in graph.walk():
        if node.op.name == "const":
            continue
        composite = _composite(node)
        run, before = run + (composite != before), composite or ""
        if node in wide and node.op.name not in _MOVES:
            place = (composite, node.loc or run) if composite else node
            found[place] = composite or node.op.name
    return Counter(found.values())


def _composite(node: Node) -> str | None:
    """The op that a node was made of, if any."""
    return next((step.removeprefix("decompose ") for step in node.origin if step.startswith("decompose ")), None)
