"""The language of scripts, one function at a time, against torch: several inputs that take different paths."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import isthmus
from isthmus.ir import evaluate
from isthmus.ir.errors import UnsupportedModel, UnsupportedOps
from isthmus.ir.types import Array
from isthmus.passes.numerics import relative_error
from tests.support.torch_snippets import ON_ENGINE, SNIPPETS, forked

LIMIT = 1e-5
CALLS = ((2, 1, 0.0), (5, -1, 0.3), (7, 1, -9.0), (3, 1, 9.0))
"""Rows, sign and offset of inputs: mixed, mixed, all negative, all positive."""


def script_of(function: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(function)


def inputs() -> list[Array]:
    made = []
    for rows, sign, offset in CALLS:
        made.append((sign * np.random.default_rng(rows).standard_normal((rows, 4)) + offset).astype(np.float32))
    return made


@pytest.mark.parametrize("function", SNIPPETS, ids=lambda f: str(f.__name__))
def test_snippet(function: Any) -> None:
    graph = isthmus.import_model(script_of(function), inputs={"x": ("N:2..9", 4)})
    targets = ("reference", "cpu-fp32") if function in ON_ENGINE else ("reference",)
    programs = [isthmus.compile(graph, target=target) for target in targets]
    for x in inputs():
        theirs = [np.asarray(each) for each in torch.utils._pytree.tree_leaves(function(torch.from_numpy(x.copy())))]
        for program in programs:
            ours = list(program({"x": x}).values())
            assert [a.shape for a in ours] == [a.shape for a in theirs]
            assert all(relative_error(a, b) < LIMIT for a, b in zip(ours, theirs, strict=True))


@pytest.mark.filterwarnings("ignore:`torch.jit.fork`", "ignore:`torch.jit.wait`")
def test_tasks_run_one_after_the_other() -> None:
    graph = isthmus.import_model(script_of(forked), inputs={"x": ("N:2..9", 4)})
    for x in inputs():
        assert relative_error(evaluate(graph, {"x": x})["output"], forked(torch.from_numpy(x)).numpy()) < LIMIT


def test_known_loops_leave_nothing() -> None:
    graph = isthmus.import_model(script_of(SNIPPETS[3]), inputs={"x": ("N:2..9", 4)})
    assert not any(node.regions for node in graph.nodes)


def test_writing_into_an_input_is_refused() -> None:
    def writes(x: torch.Tensor) -> torch.Tensor:
        x[0] = 1.0
        return x

    with pytest.raises(UnsupportedModel, match="writes into its input 'x'"):
        isthmus.import_model(script_of(writes), inputs={"x": ("N", 4)})


def test_every_unsupported_op_is_listed_with_its_line() -> None:
    def strange(x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() > 0):
            x = torch.linalg.inv(x)
        return torch.fft.fft(x).real

    with pytest.raises(UnsupportedOps) as caught:
        isthmus.import_model(script_of(strange), inputs={"x": (4, 4)})
    text = str(caught.value)
    assert "fft_fft" in text
    assert "test_script_language.py:" in text


def test_a_variable_of_two_kinds_is_refused_with_its_line() -> None:
    def lists(x: torch.Tensor) -> torch.Tensor:
        parts = [x]
        if bool(x.sum() > 0):
            parts = [x.sum(0), x.sum(0)]
        return parts[0]

    with pytest.raises(UnsupportedModel, match="on one path and") as caught:
        isthmus.import_model(script_of(lists), inputs={"x": (4, 4)})
    assert "test_script_language.py:" in caught.value.where
