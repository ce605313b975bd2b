"""Loops and branches come out as structured control flow, as tight as what is known before running allows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.compiler.importers.tensorflow import import_tensorflow
from isthmus.ir import evaluate
from isthmus.ir.errors import MalformedModel
from tests.compiler.importers.tensorflow.build import BOOL, Function, const, function, graph, node, placeholder
from tests.support.tensorflow_models import model

RECURRENT = {
    "bidirectional": 2,
    "frozen_functions": 3,
    "frozen_lowered": 3,
    "gru": 2,
    "keras_2_lstm": 3,
    "lstm": 2,
    "masked": 2,
    "simple_rnn": 1,
    "tensor_array_lstm_v1": 1,
}
"""How many layers and directions each model has."""


def ops(name: str, scratch: Path, signature: str | None = None) -> Counter[str]:
    graph = isthmus.import_model(model(name, scratch), signature=signature)
    return Counter(node.op.name for node in graph.walk())


@pytest.mark.parametrize(("name", "count"), RECURRENT.items())
def test_recurrences_over_time_are_scans(name: str, count: int, scratch: Path) -> None:
    """Lists of tensors are inputs and outputs of the scan: nothing is scattered in it."""
    found = ops(name, scratch)
    assert found["scan"] == count
    assert not found["loop"]
    assert not found["scatter_nd"]


def test_a_loop_of_a_count_that_is_data_is_a_loop(scratch: Path) -> None:
    found = ops("several_signatures", scratch, "repeat")
    assert (found["loop"], found["if"], found["scan"]) == (1, 1, 0)


def test_loops_in_loops_and_branches_in_branches_of_tensorflow_1(scratch: Path) -> None:
    found = ops("loops_v1", scratch)
    assert (found["loop"], found["if"]) == (2, 2)


def test_dilated_convolutions_of_tensorflow_1_are_one_convolution(scratch: Path) -> None:
    graph = isthmus.import_model(model("ops", scratch), signature="atrous")
    assert [n.attrs["dilations"] for n in graph.nodes if n.op.name == "conv"] == [(2, 2)]
    assert not any(n.op.name == "reshape" for n in graph.nodes)


def test_layers_keep_their_names(scratch: Path) -> None:
    graph = isthmus.import_model(model("mlp", scratch))
    places = [n.loc.paths[0] for n in graph.nodes if n.op.name == "matmul" and n.loc is not None]
    assert [place.split("/")[-2] for place in places] == ["dense_1", "dense_1_2", "dense_2_1", "dense_3_1"]


@pytest.mark.parametrize("flag", [True, False])
def test_many_branches_one_after_another_do_not_count_as_nested(flag: bool) -> None:
    """As batch normalisation writes them that asks in every layer whether it is trained."""
    layers, before = [], "x"
    for i in range(60):
        switch = node(f"s{i}", "Switch", before, "flag")
        sides = node(f"a{i}", "Add", f"s{i}:1", "one"), node(f"b{i}", "Sub", f"s{i}", "one")
        layers += [switch, *sides, node(f"m{i}", "Merge", f"a{i}", f"b{i}")]
        before = f"m{i}"
    source = graph(placeholder("x", 2), placeholder("flag", code=BOOL), const("one", 1.0), *layers)
    x = np.array([1, 2], np.float32)
    found = evaluate(import_tensorflow(source, outputs=[before]), {"x": x, "flag": np.array(flag)})
    assert found[before].tolist() == (x + (60 if flag else -60)).tolist()


def test_a_loop_whose_body_yields_another_number_of_values() -> None:
    more = function("more", ["a", "b"], {"r": "c:z:0"}, node("c", "Less", "a", "b"))
    body = function("body", ["a", "b"], {"r": "d:z:0"}, node("d", "Add", "a", "b"))
    loop = node("y", "While", "x", "x", cond=Function("more"), body=Function("body"))
    with pytest.raises(MalformedModel, match="carries 2 values, but its body yields 1"):
        import_tensorflow(graph(placeholder("x"), loop, functions=(more, body)))
