"""Writes IR graphs into a network through the emission table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.backends.emitter import Emission, Table, collect, emit_nodes
from isthmus.backends.tensorrt.emit import (
    activation,
    attention,
    control,
    conv,
    creation,
    elementwise,
    image,
    indexing,
    linalg,
    norm,
    pool,
    quant,
    reduce,
    resample,
    shape,
)
from isthmus.backends.tensorrt.library import Library
from isthmus.backends.tensorrt.messages import Messages
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.backends.tensorrt.tensors import element_type, is_carried_wide
from isthmus.ir.graph import Graph, Node, Value

TABLE: Table = collect(
    (
        creation,
        elementwise,
        activation,
        linalg,
        attention,
        conv,
        pool,
        norm,
        image,
        resample,
        reduce,
        shape,
        indexing,
        quant,
        control,
    )
)
"""Op name -> how it is written, or why not."""


def write_network(lib: Library, builder: Any, graph: Graph, messages: Messages) -> Network:
    """A legalized graph as a network of the same inputs and outputs, under the same names and in the same order.

    Layers are named after the source locations of the nodes they stand for. Raises BackendFailed.
    """
    n = Network(lib, lib.create_network(builder), messages)
    n.definition.name = graph.name
    inputs = [_input(n, value) for value in graph.inputs]
    taken: set[str] = {x.name for x in inputs}
    given = [n.cast(x, v.dtype) for x, v in zip(inputs, graph.inputs, strict=True)]
    for name, value, handle in zip(graph.output_names, graph.outputs, write_nodes(n, graph, given), strict=True):
        _mark(n, handle, value, name, taken)
    return n


def write_nodes(n: Network, graph: Graph, inputs: Sequence[Handle]) -> list[Handle]:
    """Write a graph, or a region, whose inputs are given; returns what stands for its outputs. Raises BackendFailed."""
    known: dict[Value, Handle] = {}
    for value, handle in zip(graph.inputs, inputs, strict=True):
        known[value] = handle
        n.sizes.learn(value, handle)

    def write(node: Node, operands: Sequence[Handle | None]) -> list[Handle]:
        emission = TABLE[node.op.name]
        assert isinstance(emission, Emission), f"{node.op.name} was let through: {emission}"
        n.node = node
        with n.names.during(node):
            written = emission.function(n, *operands, **node.attrs)
        handles: list[Handle] = list(written) if isinstance(written, list | tuple) else [written]
        for value, handle in zip(node.results, handles, strict=True):
            n.sizes.learn(value, handle)
        return handles

    emit_nodes(graph, known, write, "TensorRT")
    return [known[v] for v in graph.outputs]


def _input(n: Network, value: Value) -> Handle:
    shape = [d if isinstance(d, int) else -1 for d in value.shape]
    handle = n.layer(n.definition.add_input(value.name, element_type(n.trt, value.dtype), n.trt.Dims(shape)))
    for axis, dim in enumerate(value.shape):
        if not isinstance(dim, int):
            handle.set_dimension_name(axis, str(dim))
    return handle


def _mark(n: Network, handle: Handle, value: Value, name: str, taken: set[str]) -> None:
    """Mark an output under its name. Inputs, and what is already an output, take part through a copy."""
    if is_carried_wide(value.dtype):
        handle = n.of(n.definition.add_cast(handle, element_type(n.trt, value.dtype)))
    elif handle.is_network_input or handle.is_network_output:
        handle = n.of(n.definition.add_identity(handle))
    while name in taken:
        name += "_"
    handle.name = name
    taken.add(name)
    n.definition.mark_output(handle)
