"""Writes IR nodes into a network through the emission table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.backends.emitter import Emission, Table, collect, emit_nodes
from isthmus.backends.openvino.emit import (
    activation,
    control,
    creation,
    elementwise,
    image,
    indexing,
    linalg,
    nn,
    quant,
    reduce,
    shape,
)
from isthmus.backends.openvino.network import Handle, Network
from isthmus.ir.evaluate import evaluate_node
from isthmus.ir.graph import Graph, Node, Value, dims_of
from isthmus.ir.types import Array

TABLE: Table = collect((creation, elementwise, activation, linalg, nn, image, reduce, shape, indexing, quant, control))
"""Op name -> how it is written, or why not."""


def write_nodes(n: Network, graph: Graph, inputs: Sequence[Handle]) -> list[Handle]:
    """Write a graph whose inputs are given; returns what stands for its outputs. Raises BackendFailed."""
    known: dict[Value, Handle] = {}
    for value, handle in zip(graph.inputs, inputs, strict=True):
        known[value] = handle
        n.sizes.learn(value, handle)

    def write(node: Node, operands: Sequence[Handle | None]) -> list[Handle]:
        emission = TABLE[node.op.name]
        assert isinstance(emission, Emission), f"{node.op.name} was let through: {emission}"
        n.node = node
        if _is_fixed(node):
            arrays = _known_results(node)
            handles = [n.constant(array, r.dtype) for array, r in zip(arrays, node.results, strict=True)]
        else:
            handles = _handles(emission.function(n, *operands, **node.attrs))
        for value, handle in zip(node.results, handles, strict=True):
            n.sizes.learn(value, handle)
        n.labels.give(handles, node)
        return handles

    emit_nodes(graph, known, write, "OpenVINO")
    return [known[v] for v in graph.outputs]


def _is_fixed(node: Node) -> bool:
    """Whether results are known where the engine fails: it finds no memory for sizes that only running can tell where
    all operands are constant, and some of its kernels, asked for no elements at all, divide by zero.
    """
    if node.results and all(r.type.is_static and 0 in r.shape for r in node.results):
        return True
    unknown = any(not r.type.is_static for r in node.results) and next(dims_of(node.attrs), None) is None
    return unknown and not node.regions and bool(node.inputs) and all(v.constant for v in node.inputs)


def _known_results(node: Node) -> list[Array]:
    if all(r.type.is_static for r in node.results):
        return [np.zeros([int(d) for d in r.shape], r.dtype.numpy) for r in node.results]  # type: ignore[arg-type]
    return evaluate_node(node, [None if v is None else v.array for v in node.operands], {})


def _handles(found: Any) -> list[Handle]:
    return list(found) if isinstance(found, list | tuple) else [found]
