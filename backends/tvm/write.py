"""Writes IR nodes into a network through the emission table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.backends.emitter import Emission, Table, collect, emit_nodes
from isthmus.backends.tvm import fusion
from isthmus.backends.tvm.emit import (
    activation,
    control,
    conv,
    creation,
    elementwise,
    image,
    indexing,
    library,
    linalg,
    norm,
    padding,
    pool,
    quant,
    reduce,
    shape,
    slicing,
)
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.tensors import Formula, Tensor, root_of
from isthmus.ir.graph import Graph, Node

TABLE: Table = collect(
    (
        *(creation, elementwise, activation, linalg, conv, pool, norm, library, image, reduce),
        *(shape, slicing, padding, indexing, quant, control),
    )
)
"""Op name -> how it is written, or why not."""


def write_nodes(n: Network, graph: Graph, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Write a graph whose inputs are given; returns what stands for its outputs. Raises BackendFailed."""
    n.known.update(zip(graph.inputs, inputs, strict=True))

    def write(node: Node, operands: Sequence[Tensor | None]) -> list[Tensor]:
        emission = TABLE[node.op.name]
        assert isinstance(emission, Emission), f"{node.op.name} was let through: {emission}"
        n.node = node
        given: list[Tensor | None] = list(operands)
        for i in fusion.to_store(node, given):
            tensor = given[i]
            assert tensor is not None
            given[i] = n.memory(tensor)
        results = _tensors(emission.function(n, *given, **node.attrs))
        if any(isinstance(each, Formula) and each.calls and each.root is not None for each in results):
            # what calls the C library is not vectorized, and would keep the kernel it finished from being so
            given = [each if each is None or root_of(each) is None else n.memory(each) for each in given]
            results = _tensors(emission.function(n, *given, **node.attrs))
        return [
            tensor if fusion.joins(value, tensor) else n.memory(tensor)
            for value, tensor in zip(node.results, results, strict=True)
        ]

    emit_nodes(graph, n.known, write, "TVM")
    return [n.known[v] for v in graph.outputs]


def _tensors(found: Any) -> list[Tensor]:
    return list(found) if isinstance(found, list | tuple) else [found]
