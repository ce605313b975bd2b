"""What lies in another tensor's memory: written under one name, read under another one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import isthmus
from isthmus.ir import evaluate
from isthmus.ir.errors import UnsupportedModel
from tests.support.torch_modules import Module

X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)


class Calls(Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def through_einsum(x: torch.Tensor) -> torch.Tensor:
    """einsum of one tensor is a view, which its schema does not say."""
    y = x * 2
    torch.einsum("ij->ji", y).relu_()
    return y + 1


def through_parts(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    left, right = y.chunk(2, 1)
    left.mul_(2)
    right.copy_(left)
    return y


def through_grids(x: torch.Tensor) -> torch.Tensor:
    y = x[0].clone()
    (grid,) = torch.meshgrid(y, indexing="ij")
    y.add_(1)
    return grid


def through_dropout(x: torch.Tensor) -> torch.Tensor:
    """At inference its result is its argument."""
    y = x.clone()
    torch.nn.functional.dropout(y, 0.5, training=False).add_(1)
    return y


@pytest.mark.parametrize("function", [through_einsum, through_parts, through_grids, through_dropout])
def test_what_is_written_is_seen(function: Callable[..., Any]) -> None:
    graph = isthmus.import_model(Calls(function), inputs={"x": (3, 4)})
    assert np.allclose(evaluate(graph, {"x": X})["output"], function(torch.from_numpy(X)).numpy())


def in_a_loop(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    other = y
    n = int((x > 0).sum())
    while n > 0:
        y += 1
        n -= 1
    return other


def in_both_branches(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(3, 4)
    other = total
    if bool(x.sum() > 0):
        total += x
    else:
        total -= x
    total.add_(1)
    return other


def one_of_two(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    row = y[0]
    if bool(x.sum() > 0):
        row = y[1]
    row.add_(1)
    return y


def one_of_two_later(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    row = y[0]
    if bool(x.sum() > 0):
        row = y[1]
    y.add_(1)
    return row


@pytest.mark.parametrize("function", [in_a_loop, in_both_branches])
@pytest.mark.parametrize("sign", [1, -1])
def test_scripts_keep_identities(function: Callable[..., Any], sign: int) -> None:
    graph = isthmus.import_model(_scripted(function), inputs={"x": (3, 4)})
    x = sign * np.abs(X)
    assert np.allclose(evaluate(graph, {"x": x})["output"], function(torch.from_numpy(x)).numpy())


@pytest.mark.parametrize("function", [one_of_two, one_of_two_later])
def test_which_tensor_is_written_must_be_known(function: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedModel, match="written under another name"):
        isthmus.import_model(_scripted(function), inputs={"x": (3, 4)})


class Shared(Module):
    """Two attributes, one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, 4))
        self.same = self.mean

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean.add_(x)
        return self.same * 1


def test_state_in_shared_memory_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="'mean', which lies in the memory of 'same'"):
        isthmus.import_model(_scripted(Shared().eval()), inputs={"x": (3, 4)})


class Forgetful(Module):
    """Keeps a tensor where torch.export loses it."""

    def __init__(self) -> None:
        super().__init__()
        self.last: Any = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before, self.last = self.last, x
        return x if before is None else x - before


def test_state_outside_of_buffers_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="what the module keeps in last"):
        isthmus.import_model(Forgetful(), inputs={"x": (3, 4)})


class SameName(Module):
    """A buffer called like the parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("x", torch.zeros(3, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.x.add_(x)
        return self.x * 2


def test_state_called_like_an_input_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="called like an input"):
        isthmus.import_model(SameName(), inputs={"x": (3, 4)})


def _scripted(thing: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit.script is old
        return torch.jit.script(thing)
