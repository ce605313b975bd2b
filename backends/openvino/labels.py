"""Which node of the IR each of the engine's nodes stands for: by its friendly name, which survives fusion in lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from isthmus.ir.graph import Node

if TYPE_CHECKING:
    from isthmus.backends.openvino.network import Handle


@dataclass
class Labels:
    """Friendly names given out in one network and its regions, each once."""

    nodes: dict[str, Node] = field(default_factory=dict)
    """Friendly name -> the IR node it was written for."""
    _seen: set[str] = field(default_factory=set)

    def give(self, handles: Sequence[Handle], node: Node) -> None:
        """Name what was written for `node`, from its results back to what had a name before.

        The last of the engine's nodes is called as the source calls the IR node, what stands inside adds its own kind.
        """
        source = str(node.loc) if node.loc else node.results[0].name if node.results else ""
        source = source.replace(",", ";")  # the engine lists names with commas in between
        pending = [(_owner(handle), True) for handle in handles]
        while pending:
            owner, last = pending.pop()
            if owner.get_name() in self._seen:
                continue
            self._seen.add(owner.get_name())
            kind = owner.get_type_name()
            if kind in ("Constant", "Parameter"):
                continue
            name = f"{source} ({node.op.name})" if last else f"{source} ({node.op.name}: {kind})"
            owner.set_friendly_name(self._once(name.strip(), node))
            pending += [(_owner(output), False) for output in owner.input_values()]

    def _once(self, name: str, node: Node) -> str:
        unique, count = name, 1
        while unique in self.nodes:
            count += 1
            unique = f"{name} #{count}"
        self.nodes[unique] = node
        return unique


def _owner(handle: Handle) -> Any:
    return handle if hasattr(handle, "set_friendly_name") else handle.get_node()
