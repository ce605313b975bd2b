"""Engines called on the GPU at hand. Skipped where there is none: nothing stands in for it here."""

from __future__ import annotations

import numpy as np
import pytest

import isthmus
from isthmus.backends.tensorrt.device import Gpu
from isthmus.backends.tensorrt.library import library
from isthmus.passes.numerics import relative_error, seeded_inputs

TEXT = """
graph @net(%x: f32[N, 64]) where N: 1..32 {
  %w = const f32[1, 1] [0.5]
  %a: f32[N, 64] = mul(%x, %w)
  %y: f32[N, 64] = tanh(%a)
  %z: f32[N] = reduce_sum(%y) {axes = [1]}
  return %y, %z
}
"""


@pytest.fixture
def program(gpu: Gpu) -> isthmus.Program:
    """Built for the GPU at hand, in two profiles."""
    if library().archs and gpu.arch not in library().archs:
        pytest.skip(f"{library()} has no kernels for {gpu.arch}")
    options = {"profiles": [{"N": (1, 1, 1)}, {"N": (2, 16, 32)}]}
    return isthmus.compile(isthmus.parse(TEXT), "cuda-fp32", options=options)


@pytest.mark.parametrize("count", [1, 2, 32])
def test_numbers_are_those_of_the_evaluator(program: isthmus.Program, count: int) -> None:
    inputs = seeded_inputs(program.graph, 0, {"N": count})
    wanted = isthmus.evaluate(program.graph, inputs)
    for found in (program(inputs), {n: y.numpy() for n, y in program.run_on_device(inputs).items()}):
        for name, array in found.items():
            assert relative_error(array, wanted[name]) < 1e-5


def test_results_stay_on_the_device(program: isthmus.Program) -> None:
    inputs = seeded_inputs(program.graph, 0, {"N": 4})
    once = program.run_on_device(inputs)
    again = program.run_on_device(once["y"])
    wanted = program(once["y"].numpy())
    np.testing.assert_array_equal(again["y"].numpy(), wanted["y"])


def test_torch_shares_memory(program: isthmus.Program) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch is built without CUDA")
    x = torch.randn(4, 64, device="cuda")
    y = torch.from_dlpack(program.run_on_device({"x": x})["y"])
    torch.testing.assert_close(y, torch.tanh(x * 0.5), rtol=1e-5, atol=1e-5)
