"""Emission tables, refusals and the decomposition of what a backend lacks."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from isthmus.backends.base import BuildOptions, Refused, Supported
from isthmus.backends.emitter import Emission, collect, emit_nodes, emits, lacks, support
from isthmus.backends.reference import ReferenceBackend
from isthmus.ir.builder import Builder
from isthmus.ir.errors import BackendFailed
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Loc, Node, Value
from isthmus.ir.types import F32, TensorType
from isthmus.ir.verify import verify
from isthmus.passes.base import PassContext
from isthmus.passes.decompose import Decompose


def table_of(**items: object) -> ModuleType:
    module = ModuleType("emissions")
    for name, item in items.items():
        if isinstance(item, Emission):
            item.function.__module__ = "emissions"
        setattr(module, name, item)
    return module


def gelu_graph() -> Graph:
    graph = Graph()
    x = graph.add_input(TensorType(F32, (2, 3)), "x")
    b = Builder(graph, loc=Loc("onnx", ("mlp/act",)))
    graph.set_outputs([b.softmax(b.gelu(x), axis=1)], ["y"])
    return graph


def test_the_table_tells_emissions_reasons_and_gaps_apart() -> None:
    @emits("gelu", unless=lambda node: "not by erf" if node.attrs["approximate"] == "none" else None)
    def gelu(engine: object, x: object) -> object:
        return x

    table = collect([table_of(gelu=gelu, gaps=lacks(softmax="there is none"))])
    first, second = gelu_graph().nodes
    assert support(table, first) == Refused("not by erf")
    assert support(table, second) == Refused("there is none")
    assert isinstance(support({}, first), Refused)
    assert isinstance(support({"gelu": Emission(("gelu",), gelu.function)}, first), Supported)


def test_two_emissions_of_one_op_are_an_error() -> None:
    @emits("relu")
    def relu(engine: object, x: object) -> object:
        return x

    with pytest.raises(ValueError, match="emits relu a second time"):
        collect([table_of(relu=relu, again=lacks(relu="no"))])


def test_an_engine_error_names_the_node_and_its_source() -> None:
    def write(node: Node, operands: object) -> list[int]:
        raise RuntimeError("Exception from src/core.cpp:1\nshapes do not fit")

    graph = gelu_graph()
    known: dict[Value, int] = dict.fromkeys(graph.inputs, 0)
    with pytest.raises(BackendFailed, match="engine refused gelu: shapes do not fit") as caught:
        emit_nodes(graph, known, write, "engine")
    assert "onnx:mlp/act" in caught.value.where


def test_decompose_keeps_numbers_locations_and_says_what_it_did() -> None:
    graph = gelu_graph()
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    before = evaluate(graph, [x])["y"]
    assert Decompose().run(graph, PassContext())
    verify(graph)
    names = [node.op.name for node in graph.nodes]
    assert "gelu" not in names
    assert "softmax" not in names
    assert all(node.loc == Loc("onnx", ("mlp/act",)) for node in graph.nodes)
    assert any("decompose gelu" in node.origin for node in graph.nodes)
    np.testing.assert_allclose(evaluate(graph, [x])["y"], before, rtol=1e-6)
    assert not Decompose().run(graph, PassContext())


def test_decompose_can_be_told_which() -> None:
    graph = gelu_graph()
    Decompose(ops=("softmax",)).run(graph, PassContext())
    assert "gelu" in [node.op.name for node in graph.nodes]


def test_the_reference_backend_is_the_evaluator() -> None:
    graph = gelu_graph()
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    backend = ReferenceBackend()
    assert not backend.legalize(graph)
    assert not backend.unsupported(graph)
    (got,) = backend.build(graph, BuildOptions())([x])
    np.testing.assert_array_equal(got, evaluate(graph, [x])["y"])
