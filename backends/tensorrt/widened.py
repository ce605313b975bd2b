"""What a narrow network computes in f32 nonetheless: nodes kept so by passes, and ops that are made of wider steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from isthmus.backends.tensorrt.names import label
from isthmus.ir.graph import Graph, Node

_MOVES = ("const", "cast")
"""What stands at the edges of f32 computation, and computes nothing."""


def labels_in_f32(definition: Any, float32: Any, nodes: Sequence[Node | None]) -> list[str]:
    """The labels of nodes with f32 among the tensors that their layers make, each once."""
    layers = map(definition.get_layer, range(definition.num_layers))
    found = [
        label(node)
        for layer, node in zip(layers, nodes, strict=False)
        if node is not None and any(layer.get_output(i).dtype == float32 for i in range(layer.num_outputs))
    ]
    return list(dict.fromkeys(found))


def counted(graph: Graph, labels: Collection[str]) -> Counter[str]:
    """Op -> how many of its nodes compute in f32. Nodes count as the composite that legalizing made them of."""
    wanted = frozenset(labels)
    found = {
        (_composite(node), label(node).removesuffix(f" {node.op.name}"))
        for node in graph.walk()
        if node.op.name not in _MOVES and label(node) in wanted
    }
    return Counter(op for op, _ in found)


def _composite(node: Node) -> str:
    made = [step.removeprefix("decompose ") for step in node.origin if step.startswith("decompose ")]
    return made[0] if made else node.op.name
