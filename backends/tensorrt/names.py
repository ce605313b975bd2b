"""Layers named after the source locations of the IR nodes they stand for, so that the engine's messages tell them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from isthmus.ir.graph import Node


class Names:
    """Names layers of one network as nodes come and go. A node inside a region interrupts the node that holds it."""

    def __init__(self, definition: Any) -> None:
        self._definition = definition
        self._named = 0
        self._writing: list[Node] = []
        self._count: Counter[str] = Counter()
        self.nodes: list[Node | None] = []
        """For each layer, in the network's order, the node it stands for."""

    @contextmanager
    def during(self, node: Node) -> Iterator[None]:
        """Layers added meanwhile stand for the node."""
        self._name_new()
        self._writing.append(node)
        try:
            yield
            self._name_new()
        finally:
            self._writing.pop()

    def _name_new(self) -> None:
        for i in range(self._named, self._definition.num_layers):
            node = self._writing[-1] if self._writing else None
            self.nodes.append(node)
            if node is not None:
                self._definition.get_layer(i).name = self._fresh(label(node))
        self._named = self._definition.num_layers

    def _fresh(self, name: str) -> str:
        """Numbered from the second time on."""
        self._count[name] += 1
        return name if self._count[name] == 1 else f"{name} #{self._count[name]}"


def label(node: Node) -> str:
    """What the layers of a node are called: its location, else its first result, then its op."""
    place = node.loc or next((f"%{r.name}" for r in node.results if r.name), "unnamed")
    return f"{place} {node.op.name}"
