"""Softmax and norms of the schedule library against the evaluator."""

from __future__ import annotations

import pytest

from isthmus.backends.tvm.kernels import Machine
from isthmus.ir.types import BF16
from tests.backends.tvm.schedules.running import MACHINES, Draft, error, parallel

widths = pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.lanes} lanes")


@widths
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    ("x", "sizes"),
    [((3, 5), {}), ((3, 7, 37), {}), ((40, 500), {}), (("N", 200), {"N": 5}), ((3, "L"), {"L": 77}), ((7,), {})],
)
def test_softmax(machine: Machine, op: str, x: tuple[int | str, ...], sizes: dict[str, int]) -> None:
    """Rows held in registers and rows that are not, lengths known at run time only."""
    draft = Draft()
    y = getattr(draft.b, op)(draft.input(*x), axis=len(x) - 1)
    assert error(draft.done(y, tail=True), parallel(machine), sizes) < 1e-5


@widths
@pytest.mark.parametrize(("x", "axis"), [((3, 5, 33), 2), ((3, 5, 33), 1), (("N", 770), 1), ((4, 16), 1)])
@pytest.mark.parametrize("op", ["layer_norm", "rms_norm"])
@pytest.mark.parametrize("parameters", [0, 1])
def test_norms_of_rows(machine: Machine, x: tuple[int, ...], axis: int, op: str, parameters: int) -> None:
    """With and without parameters, over one dimension and over two."""
    draft = Draft()
    shape = x[axis:]
    count = parameters * (2 if op == "layer_norm" else 1)
    y = getattr(draft.b, op)(draft.input(*x), *(draft.const(*shape) for _ in range(count)), axis=axis, epsilon=1e-5)
    assert error(draft.done(y, tail=True), parallel(machine), {"N": 3}) < 1e-5


@widths
def test_a_narrow_softmax(machine: Machine) -> None:
    """bf16 rows are computed in f32 and rounded once."""
    draft = Draft(BF16)
    assert error(draft.done(draft.b.softmax(draft.input(6, 50), axis=1)), machine) < 4e-3
