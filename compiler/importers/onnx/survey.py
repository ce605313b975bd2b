"""A first look over the whole model, before anything is built: what is not supported, and what is nested too deeply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onnx import ModelProto, NodeProto

from isthmus.compiler.importers.base import unsupported_ops
from isthmus.compiler.importers.lowering import LoweringTable
from isthmus.compiler.importers.onnx.functions import Function, Key, fixed_body, has_body, key_of, schema_of
from isthmus.compiler.importers.onnx.loader import opset_versions, text
from isthmus.compiler.importers.onnx.ordering import subgraphs
from isthmus.ir.errors import UnsupportedModel

MAX_DEPTH = 48
"""How deeply bodies and function calls may nest: far beyond real models, far below Python's own limit."""


class Survey:
    """Counts a model's nodes and collects the ops that nothing can lower."""

    def __init__(self, table: LoweringTable, functions: Mapping[Key, Function]) -> None:
        self._table = table
        self._functions = functions
        self._lowerable: dict[tuple[str, int], bool] = {}
        self.nodes = 0
        self.unsupported: dict[str, list[str]] = {}

    def check(self, model: ModelProto) -> None:
        """Raise UnsupportedOps that lists every op nothing can lower, or UnsupportedModel for too deep nesting."""
        self._graph(model.graph.node, opset_versions(model.opset_import, "the model"), "", 0)
        for function in self._functions.values():
            self._graph(function.nodes, function.opsets, f"{function.name}/", 0)
        if self.unsupported:
            raise unsupported_ops(self.unsupported)

    def can_lower(self, op: str, version: int) -> bool:
        """Whether an op of the default domain has a lowering, or an ONNX body of ops that have."""
        known = self._lowerable.get((op, version))
        if known is not None:
            return known
        self._lowerable[op, version] = False  # a body that needs itself defines nothing
        self._lowerable[op, version] = self._table.find(op, version) is not None or self._body_is_lowerable(op, version)
        return self._lowerable[op, version]

    def _body_is_lowerable(self, op: str, version: int) -> bool:
        schema = schema_of(op, version, "")
        if schema is None or not has_body(schema):
            return False
        body = fixed_body(schema, version)
        if body is None:
            return True  # made for each call: what it needs is seen when it is called
        inner = body.opsets.get("", version)
        return all(self.can_lower(node.op_type, inner) for node in _all_nodes(body.nodes))

    def _graph(self, nodes: Iterable[NodeProto], opsets: Mapping[str, int], path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise UnsupportedModel(f"bodies nest more than {MAX_DEPTH} deep", where=f"onnx:{path}")
        for index, node in enumerate(nodes):
            self.nodes += 1
            for field in (node.op_type, node.domain, node.overload, node.name, *node.input, *node.output):
                text(field, "a name in a node")
            name = f"{path}{node.name or f'{node.op_type}_{index}'}"
            domain, op, _ = key = key_of(node)
            version = opsets.get(domain, 1)
            if key not in self._functions and (domain or not self.can_lower(op, version)):
                self.unsupported.setdefault(f"{domain or 'ai.onnx'}::{op} (opset {version})", []).append(name)
            for body in subgraphs(node):
                self._graph(body.node, opsets, f"{name}/", depth + 1)


def _all_nodes(nodes: Iterable[NodeProto]) -> Iterable[NodeProto]:
    for node in nodes:
        yield node
        for body in subgraphs(node):
            yield from _all_nodes(body.node)
