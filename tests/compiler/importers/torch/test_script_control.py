"""Scripts whose control flow depends on data or on sizes, against torch: on the reference evaluator and on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import isthmus
from isthmus.ir import evaluate
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.types import Array
from isthmus.passes.numerics import relative_error
from tests.support import torch_scripts as scripts
from tests.support.torch_scripts import scripted

LIMIT = 1e-5


def data(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def agree(module: Any, inputs: Any, *calls: tuple[Any, ...], on_engine: bool = True) -> isthmus.Graph:
    """The script and its import give the same for every call."""
    script = scripted(module)
    graph = isthmus.import_model(script, inputs=inputs)
    program = isthmus.compile(graph, target="cpu-fp32") if on_engine else None
    for call in calls:
        given = [torch.from_numpy(each) if isinstance(each, np.ndarray) else each for each in call]
        with torch.no_grad():
            theirs = torch.utils._pytree.tree_leaves(module(*given))
        arrays = [each for each in call if isinstance(each, np.ndarray)]
        named = {v.name: a for v, a in zip(graph.inputs, arrays, strict=True)}
        for ours in (evaluate(graph, named), program(named) if program is not None else {}):
            if ours:
                assert_same(ours, theirs)
    return graph


def assert_same(ours: dict[str, Array], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs)
    for (name, array), expected in zip(ours.items(), theirs, strict=True):
        wanted = expected.detach().numpy() if isinstance(expected, torch.Tensor) else np.array(expected)
        assert array.shape == wanted.shape, name
        assert relative_error(array, wanted) < LIMIT, name


def ops(graph: isthmus.Graph) -> list[str]:
    return [node.op.name for node in graph.walk()]


def test_branch_and_loop_by_data() -> None:
    ones = np.ones((3, 4), np.float32)
    graph = agree(scripts.Halving(), {"x": ("N:1..8", 4)}, (ones,), (-ones,), (100 * ones[:1],), (0 * ones,))
    assert {"if", "loop"} <= set(ops(graph))


def test_early_return_and_dead_exception() -> None:
    ones = np.ones((3, 4), np.float32)
    agree(scripts.EarlyReturn(), {"x": ("N:1..8", 4)}, (ones * 3,), (-ones * 3,), (ones[:1] / 2,))


def test_exception_that_is_raised_is_reported() -> None:
    with pytest.raises(UnsupportedModel, match="x has two dimensions") as caught:
        isthmus.import_model(scripted(scripts.EarlyReturn()), inputs={"x": ("N", 4, 4)})
    assert "torch_scripts.py" in caught.value.where


def test_conditions_on_sizes_options_and_none() -> None:
    calls = (data(2, 4),), (data(5, 4),), (data(6, 4),)
    graph = agree(scripts.Sizes(), {"x": ("N:2..8", 4)}, *calls)
    assert ops(graph).count("loop") == 1
    assert "if" not in ops(graph)
    agree(scripts.Sizes(), {"x": ("N:2..8", 4), "bias": (4,), "twice": True}, (data(3, 4), data(4), True))
    assert "loop" not in ops(isthmus.import_model(scripted(scripts.Sizes()), inputs={"x": (5, 4)}))


def test_writing_into_tensors() -> None:
    agree(scripts.Writing(), {"x": ("N:1..8", 5)}, (data(1, 5),), (data(4, 5),))
    agree(scripts.Writing(), {"x": (3, 5)}, (data(3, 5),))


def test_lists_that_grow() -> None:
    inputs = {"x": ("N:1..8", 4), "limit": 0.5}
    agree(scripts.Collecting(), inputs, (data(6, 4), 0.5), (data(1, 4), 0.5), (data(5, 4) - 9, 0.5))


def test_greedy_decoding() -> None:
    torch.manual_seed(1)
    module = scripts.Greedy()
    lengths = {len(module(torch.from_numpy(data(1, 16, seed=i) * 3))) for i in range(6)}
    assert len(lengths) > 1, "how many tokens there are depends on data"
    agree(module, {"state": (1, 16)}, *((data(1, 16, seed=i) * 3,) for i in range(6)))


@pytest.mark.parametrize("seed", range(3))
def test_detection(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.uniform(0, 20, (40, 2)), rng.uniform(4, 12, (40, 2))], 1).astype(np.float32)
    logits = rng.standard_normal((40, 5)).astype(np.float32) * 3
    none = np.zeros_like(logits)
    inputs = {"deltas": ("A:1..100", 4), "logits": ("A", 5)}
    graph = agree(scripts.Detection(), inputs, (boxes, logits), (boxes[:7], logits[:7]), (boxes[:1], logits[:1]))
    assert graph.output_names == ("boxes", "scores", "labels")
    assert len(evaluate(graph, {"deltas": boxes, "logits": none})["scores"]) == 0
