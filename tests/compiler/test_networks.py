"""Whole networks: import, optimize and run agree with onnxruntime, and text loses nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

import isthmus
from isthmus.ir import Graph, difference, parse, verify
from isthmus.ir.textfile import stored_constants
from isthmus.passes.numerics import relative_error
from tests.support import exported, light

LIMIT = 1e-5
"""Relative L2 error against onnxruntime in f32."""
NODES = {
    "resnet50": 122,
    "mobilenet_v3_large": 140,
    "efficientnet_b0": 190,
    "densenet121": 368,
    "convnext_tiny": 190,
    "vit_b_16": 300,
    "swin_t": 410,
    "bert_base": 250,
    "gpt2": 265,
    "llama": 230,
}
"""Computing nodes left after `optimize`, at most."""
BATCHES = (1, 2)


def ask_onnxruntime(model: onnx.ModelProto, *calls: dict[str, NDArray[Any]]) -> list[dict[str, NDArray[Any]]]:
    """The outputs for the inputs of each call."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return [dict(zip(names, session.run(None, inputs), strict=True)) for inputs in calls]


def assert_agree(ours: dict[str, NDArray[Any]], theirs: dict[str, NDArray[Any]]) -> None:
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert relative_error(array, theirs[name]) < LIMIT, name


def reparsed(graph: Graph) -> Graph:
    return parse(str(graph), constants=stored_constants(graph))


@pytest.mark.parametrize("name", light.NAMES)
def test_light_networks(name: str) -> None:
    """cpu-fp32 and reference agree with onnxruntime and each other; so does what text parses back to."""
    model = light.filled(name)
    inputs = light.random_inputs(model)
    (expected,) = ask_onnxruntime(model, inputs)
    program = isthmus.compile(model, threads=1)
    ours = program(inputs)
    assert_agree(ours, expected)

    by_reference = isthmus.compile(program.graph, target="reference")(inputs)
    assert_agree(by_reference, expected)
    assert_agree(ours, by_reference)

    again = reparsed(program.graph)
    assert difference(program.graph, again, locations=True) is None
    for key, array in isthmus.compile(again, threads=1)(inputs).items():
        np.testing.assert_array_equal(array, ours[key])


@pytest.mark.parametrize("name", exported.NAMES)
def test_exported_networks(name: str) -> None:
    """With a dynamic batch: few nodes, right numbers at more than one size."""
    model = exported.filled(name)
    program = isthmus.compile(model, threads=1)
    verify(program.graph)
    assert program.graph.op_count() <= NODES[name]
    calls = [exported.random_inputs(model, batch, seed=batch) for batch in BATCHES]
    for inputs, expected in zip(calls, ask_onnxruntime(model, *calls), strict=True):
        assert_agree(program(inputs), expected)
    again = reparsed(program.graph)
    assert difference(program.graph, again, locations=True) is None


def test_shape_arithmetic_of_a_transformer_vanishes() -> None:
    """Nothing of BERT's shape computations is left with a dynamic batch."""
    graph = isthmus.optimize(isthmus.import_model(exported.filled("bert_base")))
    left = {node.op.name for node in graph.walk()}
    assert not left & {"shape_of", "dims", "dynamic_reshape", "dynamic_expand", "dynamic_slice"}
