"""Loops and branches come out as structured control flow, as tight as what is known before running allows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import isthmus
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
