"""Small ONNX models for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from isthmus.compiler.importers.onnx import import_onnx
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from isthmus.ir.verify import verify

Sizes = Sequence[int | str | None] | None


def model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sizes],
    outputs: Sequence[str],
    *,
    opset: int = 18,
    ir_version: int = 10,
    dtype: int = TensorProto.FLOAT,
    initializers: Mapping[str, NDArray[Any]] | None = None,
    functions: Sequence[Any] = (),
) -> ModelProto:
    """A model whose inputs have the given sizes; the outputs' types are left open."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, dtype, sizes) for name, sizes in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (initializers or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=ir_version)


def imported(source: ModelProto, **options: Any) -> Graph:
    """The graph, verified."""
    graph = import_onnx(source, **options)
    verify(graph)
    return graph


def run(source: ModelProto, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
    """The outputs on given inputs."""
    return list(evaluate(imported(source), arrays).values())


def ints(*values: int) -> NDArray[np.int64]:
    """An i64 vector."""
    return np.array(values, np.int64)


def ops(graph: Graph) -> list[str]:
    """The names of the graph's ops but for constants, in order."""
    return [node.op.name for node in graph.nodes if node.op.name != "const"]
