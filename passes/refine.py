"""Types carried forward: when a size that only running could tell becomes known, everything after it learns it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.ir.builder import Builder
from isthmus.ir.dim import UNKNOWN, Dim, DimExpr, as_symbol, substitute, symbols
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.types import TensorType


class Refinement:
    """What has been learned of data-dependent symbols, and where it must still be carried to."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[str, Dim] = {}
        self._given = {s.name for v in graph.inputs for s in v.type.symbols()}
        self._stale: set[Node] = set()

    def replace(self, old: Value, new: Value) -> None:
        """Put `new`, which knows more of its type, in the place of `old`."""
        self._learn(old.type, new.type)
        self._stale.update(old.users)
        self.graph.replace_uses(old, new)

    def revisit(self, node: Node) -> None:
        """The next visit infers the node's types again: its regions may yield better ones."""
        self._stale.add(node)

    def visit(self, node: Node) -> Node | None:
        """Carry what is known to `node`; returns what stands in its place now, None where nothing changed.

        Nodes must be visited in order.
        """
        renamed = bool(self.known) and self._mentions(node)
        if not renamed and node not in self._stale:
            return None
        self._stale.discard(node)
        node = self._renamed(node) if renamed else node
        inferred = node.op.infer_types([None if v is None else v.type for v in node.operands], node.attrs, node.regions)
        for result, type in zip(node.results, inferred, strict=True):
            settled = _settled(type, _substituted(result.type, self.known))
            self._learn(result.type, settled)
            if settled != result.type:
                self.graph.retype(result, settled)
                self._stale.update(result.users)
        return node

    def _learn(self, declared: TensorType, found: TensorType) -> None:
        for old, new in zip(declared.shape, found.shape, strict=True):
            symbol = as_symbol(old)
            if symbol is None or symbol.name in self._given or symbol.name in self.known or old == new:
                continue
            if symbol not in symbols(new):
                self.known[symbol.name] = new

    def _mentions(self, node: Node) -> bool:
        types = any(s.name in self.known for r in node.results for s in r.type.symbols())
        return types or bool(node.regions) or _rename(node.attrs, self.known) != node.attrs

    def _renamed(self, node: Node) -> Node:
        for region in node.regions.values():
            _rename_graph(region, self.known)
        attrs = {name: _rename(value, self.known) for name, value in node.attrs.items()}
        if attrs == node.attrs:
            return node
        types = [_substituted(r.type, self.known) for r in node.results]
        names = [r.name for r in node.results]
        twin = Node(node.op, node.operands, attrs, node.regions, types, names, node.loc, node.origin)
        self.graph.insert(twin, node)
        for old, new in zip(node.results, twin.results, strict=True):
            self._stale.update(old.users)
            self.graph.replace_uses(old, new)
        self.graph.erase(node)
        return twin


def _rename_graph(graph: Graph, known: Mapping[str, Dim]) -> None:
    for value in graph.inputs:
        value.type = _substituted(value.type, known)
    for node in graph.nodes:
        for region in node.regions.values():
            _rename_graph(region, known)
        node.attrs = {name: _rename(value, known) for name, value in node.attrs.items()}
        for result in node.results:
            graph.retype(result, _substituted(result.type, known))


def _settled(inferred: TensorType, declared: TensorType) -> TensorType:
    if UNKNOWN not in inferred.shape:
        return inferred
    pairs = zip(inferred.shape, declared.shape, strict=True)
    return inferred.with_shape(d if i == UNKNOWN else i for i, d in pairs)


def _substituted(type: TensorType, known: Mapping[str, Dim]) -> TensorType:
    if not known or type.is_static:
        return type
    return type.with_shape(substitute(d, known) for d in type.shape)


def _rename(value: Any, known: Mapping[str, Dim]) -> Any:
    if isinstance(value, DimExpr):
        return substitute(value, known)
    if isinstance(value, tuple):
        return tuple(_rename(item, known) for item in value)
    if isinstance(value, Mapping):
        return {name: _rename(item, known) for name, item in value.items()}
    return value


def builder_at(graph: Graph, node: Node, law: str) -> Builder:
    """A builder in front of `node` whose nodes tell that they stand for it by `law`."""
    return Builder(graph, before=node, loc=node.loc, origin=(*node.origin, law))
