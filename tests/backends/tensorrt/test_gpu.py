"""Engines called on the GPU at hand. Skipped where there is none: nothing stands in for it here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.backends.tensorrt.device import Gpu
from isthmus.backends.tensorrt.library import library
from isthmus.ir import ops
from isthmus.ir.evaluate import evaluate
from isthmus.passes.numerics import relative_error, seeded_inputs
from tests.support import exported
from tests.support.opcases import cases_for
from tests.support.tensorrt.bench import NETWORK_TOLERANCE, Bench, disagreement
from tests.support.tensorrt.on_gpu import call, is_served
from tests.support.tensorrt.rows import groups, narrowed

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
def served(gpu: Gpu) -> Gpu:
    """The GPU at hand, if the installed library builds for it."""
    if not is_served(gpu.arch):
        pytest.skip(f"there is no GPU here that {library()} serves: {gpu.name} is {gpu.arch}")
    return gpu


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.fixture
def program(served: Gpu) -> isthmus.Program:
    """Built for the GPU at hand, in two profiles."""
    options = {"profiles": [{"N": (1, 1, 1)}, {"N": (2, 16, 32)}]}
    return isthmus.compile(isthmus.parse(TEXT), "cuda-fp32", options=options)


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("name", ops.TABLE)
def test_every_row_agrees_with_the_evaluator(name: str, bench: Bench, tmp_path: Path) -> None:
    cases = cases_for(ops.TABLE[name])
    wrong = [
        f"{case}: {found}"
        for group in groups([*cases, *narrowed(cases)])
        for case, got, want in zip(group.owners, call(bench, group, tmp_path), group.wants(), strict=True)
        if (found := disagreement(got, want))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("precision", NETWORK_TOLERANCE)
def test_a_network_agrees_with_the_evaluator(precision: str) -> None:
    model = exported.filled("mobilenet_v3_large")
    compiled = isthmus.compile(model, f"cuda-{precision}", inputs=exported.shapes(model, "N:1..4"))
    inputs = exported.random_inputs(model, 2)
    wants = evaluate(compiled.graph, [inputs[value.name] for value in compiled.graph.inputs])
    for name, array in compiled(inputs).items():
        assert relative_error(array, wants[name]) < NETWORK_TOLERANCE[precision]


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


def test_calls_take_their_place_in_a_torch_stream(program: isthmus.Program) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch is built without CUDA")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        x = torch.randn(4, 64, device="cuda")
        for _ in range(20):
            y = torch.from_dlpack(program.run_on_device({"x": x + 1}, stream=stream)["y"])
            torch.testing.assert_close(y, torch.tanh((x + 1) * 0.5), rtol=1e-5, atol=1e-5)
