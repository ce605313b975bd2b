"""Composites expanded into the simpler ops they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from isthmus.ir.builder import Builder, FreshSymbols
from isthmus.ir.errors import IRError
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.precision import Policy
from isthmus.ir.types import F32
from isthmus.passes.base import Pass, PassContext


@dataclass(frozen=True)
class Decompose(Pass):
    """Expands composite ops into the simpler ops they are made of: those named in `ops`, or all."""

    name: ClassVar[str] = "decompose"
    ops: tuple[str, ...] = ()

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Expand until no wanted composite is left."""
        return decompose_where(graph, lambda node: not self.ops or node.op.name in self.ops)


def decompose_where(graph: Graph, wanted: Callable[[Node], bool]) -> bool:
    """Expand each composite node that is `wanted`, and what it expands to, inside regions too."""
    return _expand(graph, wanted, FreshSymbols(graph))


def _expand(graph: Graph, wanted: Callable[[Node], bool], fresh: FreshSymbols) -> bool:
    changed = False
    pending = list(graph.nodes)
    pending.reverse()
    while pending:
        node = pending.pop()
        for region in node.regions.values():
            changed |= _expand(region, wanted, fresh)
        if node.op.decompose is None or not wanted(node):
            continue
        pending.extend(reversed(decompose(node, fresh)))
        changed = True
    return changed


def decompose(node: Node, fresh: FreshSymbols | None = None) -> list[Node]:
    """Replace one composite node by its decomposition; returns the nodes that stand in its place, in order.

    What a narrow op computes wide inside is computed in f32, between casts: its steps may overflow in the narrow type.
    """
    graph, make = node.graph, node.op.decompose
    if graph is None or make is None:
        raise IRError(f"{node!r} is no composite that stands in a graph")
    before = node._prev
    b = Builder(graph, before=node, loc=node.loc, origin=(*node.origin, f"decompose {node.op.name}"), fresh=fresh)
    operands = list(node.operands)
    if not (node.op.operands and node.op.operands[-1].variadic):
        operands += [None] * (len(node.op.operands) - len(operands))
    narrow = node.results[0].dtype
    is_widened = node.op.precision.policy is Policy.WIDE and narrow.is_float and narrow.bits < F32.bits
    if is_widened:
        operands = [b.cast(v, dtype=F32) if v is not None and v.dtype == narrow else v for v in operands]
    made = make(b, *operands, **node.attrs)
    results: tuple[Value, ...] = (made,) if isinstance(made, Value) else tuple(made)
    if is_widened:
        results = tuple(b.cast(v, dtype=narrow) for v in results)
    for old, new in zip(node.results, results, strict=True):
        graph.replace_uses(old, new)
    made_nodes: list[Node] = []
    each = graph._first if before is None else before._next
    while each is not None and each is not node:
        made_nodes.append(each)
        each = each._next
    graph.erase(node)
    return made_nodes
