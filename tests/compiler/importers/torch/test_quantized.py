"""Layers that torch quantized: int8 weights, activations rounded from call to call, as torch computes them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import isthmus
from isthmus.ir import evaluate
from isthmus.ir.types import I8
from isthmus.passes.numerics import relative_error

LIMIT = 1e-5


@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
def test_dynamic_linear(dtype: Any) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4, bias=False)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(module, {nn.Linear}, dtype)
        script = torch.jit.script(quantized)
    graph = isthmus.import_model(script, inputs={"input": ("N:1..64", 16)})
    program = isthmus.compile(graph, target="cpu-fp32")
    weights = [n.attrs["data"].type for n in graph.nodes if n.op.name == "const" and n.result.rank == 2]
    assert all(t.dtype == I8 for t in weights) == (dtype == torch.qint8)
    for rows in (1, 5, 64):
        x = np.random.default_rng(rows).standard_normal((rows, 16)).astype(np.float32)
        theirs = quantized(torch.from_numpy(x)).detach().numpy()
        assert relative_error(evaluate(graph, {"input": x})["output"], theirs) < LIMIT
        assert relative_error(program({"input": x})["output"], theirs) < LIMIT


def test_an_input_of_zeros() -> None:
    """Nothing to scale by."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 3)), {nn.Linear})
        graph = isthmus.import_model(torch.jit.script(quantized), inputs={"input": (2, 4)})
    x = np.zeros((2, 4), np.float32)
    assert (
        relative_error(evaluate(graph, {"input": x})["output"], quantized(torch.from_numpy(x)).detach().numpy()) < LIMIT
    )
