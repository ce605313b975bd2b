"""State that scripts keep in attributes: explicit inputs and outputs, right over several calls."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import isthmus
from isthmus.compiler.importers.torch import initial_state
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.types import Array
from isthmus.passes.numerics import relative_error
from tests.support import torch_scripts as scripts
from tests.support.torch_scripts import scripted

LIMIT = 1e-5
CALLS = 4


def data(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run(module: Any, source: Any, shape: tuple[int, ...], target: str) -> isthmus.Graph:
    """Several calls in a row, the state of each handed to the next."""
    module = copy.deepcopy(module).eval()
    inputs = {"x": shape}
    graph = isthmus.import_model(source, inputs=inputs)
    state = initial_state(source, inputs=inputs)
    program = isthmus.compile(graph, target=target)
    for turn in range(CALLS):
        x = data(*shape, seed=turn)
        with torch.no_grad():
            theirs = torch.utils._pytree.tree_leaves(module(torch.from_numpy(x)))
        found = program({"x": x, **state})
        state = {name: found.pop(name) for name in state}
        assert len(found) == len(theirs)
        for array, expected in zip(found.values(), theirs, strict=True):
            assert relative_error(array, expected.numpy()) < LIMIT
    return graph


@pytest.mark.parametrize("target", ["reference", "cpu-fp32"])
def test_streaming_lstm(target: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, path = scripts.StreamingLSTM(5, 8), tmp_path / "stream.pt"
    scripted(module).save(path)
    graph = run(module, path, (1, 5), target)
    assert [v.name for v in graph.inputs] == ["x", "hidden", "cell", "steps"]
    assert graph.output_names == ("output", "hidden", "cell", "steps")
    first = initial_state(path, inputs={"x": (1, 5)})
    assert np.array_equal(first["hidden"], np.full((1, 8), 0.1, np.float32))
    assert first["steps"] == 0


@pytest.mark.parametrize("target", ["reference", "cpu-fp32"])
def test_lists_and_dicts(target: str) -> None:
    module = scripts.Remembering()
    graph = run(module, scripted(scripts.Remembering()), (4,), target)
    assert {"seen", "best_score", "best_row", "started"} <= {v.name for v in graph.inputs}


@pytest.mark.parametrize("target", ["reference", "cpu-fp32"])
def test_state_that_begins_as_none(target: str) -> None:
    graph = run(scripts.Lazy(), scripted(scripts.Lazy()), (4,), target)
    assert [v.name for v in graph.inputs] == ["x", "last_is_set", "last", "calls_is_set", "calls"]


def test_state_that_changes_its_keys_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="a dict of"):
        isthmus.import_model(scripted(scripts.Caching()), inputs={"x": (4,)})


def test_unchanged_attributes_are_constants() -> None:
    graph = run(scripts.Scaled(), scripted(scripts.Scaled()), (2, 4), "reference")
    assert [v.name for v in graph.inputs] == ["x"]
