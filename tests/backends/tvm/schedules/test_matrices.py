"""Matrix products and attention of the schedule library against the evaluator, at sizes that leave tails."""

from __future__ import annotations

import pytest

from isthmus.backends.tvm.kernels import Machine
from isthmus.ir.types import F16
from tests.backends.tvm.schedules.running import MACHINES, Draft, error, parallel

widths = pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.lanes} lanes")

Shape = tuple[int | str, ...]


@widths
@pytest.mark.parametrize(
    ("x", "columns", "sizes"),
    [
        ((4, 8), 16, {}),
        ((29, 7), 37, {}),
        ((2, 15, 33), 70, {}),
        ((1, 20), 200, {}),
        ((30, 1024), 24, {}),
        (("B", 5, 24), 40, {"B": 7}),
        (("B", 24), 33, {"B": 1}),
    ],
)
@pytest.mark.parametrize("tail", [False, True])
def test_linear_with_bias(machine: Machine, x: Shape, columns: int, sizes: dict[str, int], tail: bool) -> None:
    """Rows, columns and inner sizes that are no multiples of tiles; rows known at run time only."""
    draft = Draft()
    inner = x[-1]
    assert isinstance(inner, int)
    y = draft.b.linear(draft.input(*x), draft.const(inner, columns), draft.const(columns))
    assert error(draft.done(y, tail), machine, sizes) < 1e-5


@widths
def test_matmul_by_a_constant_over_two_threads(machine: Machine) -> None:
    """Shared out by rows and by columns."""
    for rows, columns in ((200, 30), (9, 300)):
        draft = Draft()
        y = draft.b.matmul(draft.input(rows, 19), draft.const(19, columns))
        assert error(draft.done(y), parallel(machine)) < 1e-5


@widths
def test_f16_is_computed_wide(machine: Machine) -> None:
    """Rounded once, when stored."""
    draft = Draft(F16)
    y = draft.b.matmul(draft.input(9, 21), draft.const(21, 18))
    assert error(draft.done(y), machine) < 2e-5


@widths
@pytest.mark.parametrize(
    ("x", "y", "sizes"),
    [
        ((3, 5, 7), (3, 7, 9), {}),
        ((2, 3, 29, 33), (3, 33, 37), {}),
        ((2, 1, 13, 9), (3, 9, 64), {}),
        ((30, 17), (17, 19), {}),
        (("N", "L", 16), ("N", 16, 20), {"N": 3, "L": 17}),
    ],
)
def test_stacks_of_matrices(machine: Machine, x: Shape, y: Shape, sizes: dict[str, int]) -> None:
    """Neither matrix is constant; leading sizes broadcast."""
    draft = Draft()
    product = draft.b.matmul(draft.input(*x), draft.input(*y))
    assert error(draft.done(product, tail=True), parallel(machine), sizes) < 1e-5


@widths
@pytest.mark.parametrize(
    ("q", "k", "v", "mask", "causal", "sizes"),
    [
        ((2, 3, 5, 8), (2, 3, 9, 8), (2, 3, 9, 6), None, False, {}),
        ((2, 4, 29, 16), (2, 2, 29, 16), (2, 2, 29, 20), None, True, {}),
        ((2, 3, 37, 20), (2, 3, 37, 20), (2, 3, 37, 33), (2, 1, 1, 37), False, {}),
        ((3, 32, 8), (3, 64, 8), (3, 64, 16), (32, 64), False, {}),
        ((1, 2, 16, 8), (1, 2, 64, 8), (1, 2, 64, 16), (1, 1, 16, 1), True, {}),
        (("N", 2, "L", 8), ("N", 2, "S", 8), ("N", 2, "S", 16), None, False, {"N": 2, "L": 19, "S": 41}),
    ],
)
def test_attention(
    machine: Machine, q: Shape, k: Shape, v: Shape, mask: tuple[int, ...] | None, causal: bool, sizes: dict[str, int]
) -> None:
    """Shared heads, masks that broadcast, rows that may not look ahead, lengths known at run time only."""
    draft = Draft()
    operands = [draft.input(*each) for each in (q, k, v)]
    if mask is not None:
        operands.append(draft.const(*mask))
    y = draft.b.attention(*operands, scale=0.3, causal=causal)
    assert error(draft.done(y, tail=True), parallel(machine), sizes) < 1e-5
