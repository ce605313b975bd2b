"""Whole models saved by TensorFlow give TensorFlow's outputs, on the evaluator and on an engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.ir import evaluate
from isthmus.passes.numerics import relative_error
from tests.support.tensorflow_models import DRAWN, NAMES, Call, calls, model

SMALL = [name for name in NAMES if name not in (*DRAWN, "ops")]
LARGE = ("mobilenet_v2", "resnet50_v2")
"""The networks that are run here; `python -m tests.benchmarks tensorflow` runs all."""
HALF = ("mixed_precision",)
"""Equal as imported; once optimize has joined products and biases, which then round once, up to f16's own precision."""


def check(name: str, target: str, scratch: Path) -> None:
    """Every call that TensorFlow answered gives its answer, in the same types and within 1e-5."""
    asked = list(calls(name))
    path = model(name, scratch)
    programs = {
        signature: isthmus.compile(path, target, signature=signature) for signature in {c.signature for c in asked}
    }
    limit = 2.0**-10 if name in HALF else 1e-5
    for call in asked:
        found = programs[call.signature](call.inputs)
        assert sorted(found) == sorted(call.outputs)
        assert worst(found, call) < limit


def worst(found: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]], call: Call) -> float:
    """The largest relative error over the outputs."""
    for name, wanted in call.outputs.items():
        assert (found[name].dtype, found[name].shape) == (wanted.dtype, wanted.shape), name
    return max(relative_error(found[name], wanted) for name, wanted in call.outputs.items())


@pytest.mark.parametrize("name", SMALL)
def test_on_the_evaluator(name: str, scratch: Path) -> None:
    check(name, "reference", scratch)


@pytest.mark.parametrize("name", HALF)
def test_narrow_types_round_where_tensorflow_rounds(name: str, scratch: Path) -> None:
    """No CPU engine rounds to f16: on the evaluator, before anything is rewritten."""
    for call in calls(name):
        assert worst(evaluate(isthmus.import_model(model(name, scratch)), call.inputs), call) < 1e-6


@pytest.mark.parametrize("name", [name for name in SMALL if name not in HALF])
def test_on_an_engine(name: str, scratch: Path) -> None:
    """Without fallback: a node the engine cannot take is an error."""
    check(name, "cpu-fp32", scratch)


@pytest.mark.parametrize("name", LARGE)
def test_networks_on_an_engine(name: str, scratch: Path) -> None:
    check(name, "cpu-fp32", scratch)


def test_a_network_on_the_evaluator(scratch: Path) -> None:
    check("mobilenet_v2", "reference", scratch)


def test_variables_are_views_of_the_file(scratch: Path) -> None:
    graph = isthmus.import_model(model("mobilenet_v2", scratch))
    kernels = [v.array for n in graph.nodes if n.op.name == "const" for v in n.results if v.type.numel() == 1280 * 50]
    assert [_is_mapped(kernel) for kernel in kernels] == [True]


def _is_mapped(array: object) -> bool:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False
