"""torch's control-flow operators, recurrent layers, and state that a module keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import isthmus
from isthmus.compiler.importers.torch import initial_state
from isthmus.ir import evaluate
from isthmus.ir.types import Array
from isthmus.passes.numerics import relative_error
from tests.support.torch_modules import ConvLSTM, Module, RecurrentLanguageModel

LIMIT = 1e-5


def data(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Branching(Module):
    """A branch that data choose; both read a weight from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0, 1, 4))

    def forward(self, x: Any) -> Any:
        return torch.cond(x.sum() > 0, lambda x: x * self.weight, lambda x: x - self.weight, (x,))


class BranchingOnSize(Module):
    """A branch that the batch chooses."""

    def forward(self, x: Any) -> Any:
        return torch.cond(x.shape[0] > 2, lambda x: x * 2, lambda x: x - 1, (x,))


class Halving(Module):
    """Halves until the sum is small: how often depends on data."""

    def forward(self, x: Any) -> Any:
        def more(count: Any, y: Any) -> Any:
            return y.abs().sum() > 1

        def step(count: Any, y: Any) -> Any:
            return count + 1, y / 2

        return torch._higher_order_ops.while_loop(more, step, (torch.zeros((), dtype=torch.int64), x))


class Summing(Module):
    """A running sum by scan."""

    def forward(self, x: Any) -> Any:
        def step(carry: Any, element: Any) -> Any:
            return carry + element, carry * element

        return torch._higher_order_ops.scan(step, torch.zeros(4), x, dim=0)


def assert_agrees(module: Any, inputs: Any, *calls: dict[str, Array]) -> None:
    graph = isthmus.import_model(module, inputs=inputs)
    for arrays in calls:
        theirs = torch.utils._pytree.tree_leaves(module(**{name: torch.from_numpy(a) for name, a in arrays.items()}))
        ours = evaluate(graph, arrays)
        assert len(ours) == len(theirs)
        for (name, array), expected in zip(ours.items(), theirs, strict=True):
            assert array.shape == tuple(expected.shape), name
            assert relative_error(array, expected.detach().numpy()) < LIMIT, name


def test_branch_by_data() -> None:
    ones = np.ones((2, 4), np.float32)
    assert_agrees(Branching(), {"x": ("N:1..8", 4)}, {"x": ones}, {"x": -ones}, {"x": np.ones((5, 4), np.float32)})


def test_branch_by_size() -> None:
    assert_agrees(BranchingOnSize(), {"x": ("N:1..8", 4)}, {"x": data(2, 4)}, {"x": data(5, 4)})


def test_loop_by_data() -> None:
    assert_agrees(Halving(), {"x": ("N:1..8", 4)}, {"x": data(2, 4)}, {"x": 100 * data(3, 4)}, {"x": 0 * data(1, 4)})


def test_scan() -> None:
    assert_agrees(Summing(), {"x": ("T:1..8", 4)}, {"x": data(2, 4)}, {"x": data(7, 4)})


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False, "batch_first": True}]
)
def test_recurrent_layers(kind: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = getattr(nn, kind)(4, 6, **options)
    shape = {"input": ("N:1..8", 5, 4) if "batch_first" in options else (3, "N:1..8", 4)}  # torch fixes the time
    assert_agrees(layer, shape, {"input": data(3, 5, 4)})


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_projection() -> None:
    torch.manual_seed(0)
    assert_agrees(nn.LSTM(4, 6, proj_size=3), {"input": (5, "B:1..8", 4)}, {"input": data(5, 2, 4)})


def test_given_state() -> None:
    torch.manual_seed(0)
    inputs = {"input": (5, "N:1..8", 4), "hx": "f32[1, N, 6]"}
    assert_agrees(nn.GRU(4, 6), inputs, {"input": data(5, 3, 4), "hx": data(1, 3, 6)})


def test_recurrent_models() -> None:
    torch.manual_seed(0)
    ids = np.random.default_rng(0).integers(0, 100, (3, 12))
    for kind in ("LSTM", "GRU"):
        assert_agrees(RecurrentLanguageModel(kind), {"ids": "i64[N:1..8, 12]"}, {"ids": ids}, {"ids": ids[:1]})
    assert_agrees(ConvLSTM(3, 4), {"frames": ("N:1..8", 3, 3, 8, 8)}, {"frames": data(2, 3, 3, 8, 8)})


class Streaming(Module):
    """A GRU cell that keeps its hidden state, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 5)
        self.register_buffer("hidden", torch.full((1, 5), 0.25))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Any) -> Any:
        self.hidden.copy_(self.cell(x, self.hidden))
        self.calls.add_(1)
        return self.hidden * 2


def test_state_over_several_calls() -> None:
    """State is an input and an output of the same name, and starts as the buffers stand."""
    torch.manual_seed(0)
    module = Streaming().eval()
    program = torch.export.export(module, (torch.zeros(1, 3),))
    graph = isthmus.import_model(program)
    state = initial_state(program)
    assert [v.name for v in graph.inputs] == ["x", "hidden", "calls"]
    assert graph.output_names == ("output", "hidden", "calls")
    assert np.array_equal(state["hidden"], np.full((1, 5), 0.25, np.float32))
    for turn in range(3):
        x = data(1, 3, seed=turn)
        with torch.no_grad():
            expected = module(torch.from_numpy(x)).clone()
        found = evaluate(graph, {"x": x, **state})
        state = {name: found[name] for name in state}
        assert relative_error(found["output"], expected.numpy()) < LIMIT
        assert relative_error(found["hidden"], module.hidden.numpy()) < LIMIT
        assert found["calls"] == turn + 1
