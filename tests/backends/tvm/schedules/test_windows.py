"""Convolutions and poolings of the schedule library against the evaluator."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.backends.tvm.kernels import Machine
from isthmus.ir.types import F16
from tests.backends.tvm.schedules.running import MACHINES, Draft, error, parallel

widths = pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.lanes} lanes")

Pads = tuple[tuple[int, int], ...]
NONE: Pads = ((0, 0), (0, 0))
ONE: Pads = ((1, 1), (1, 1))
TWO: Pads = ((2, 2), (2, 2))

CONVOLUTIONS: list[tuple[Any, ...]] = [
    # x, output channels, kernel, strides, pads, dilations, groups
    ((1, 3, 9, 9), 20, (3, 3), (1, 1), ONE, (1, 1), 1),
    ((2, 5, 10, 13), 33, (3, 2), (2, 1), ((1, 0), (0, 2)), (1, 1), 1),
    ((2, 8, 12, 11), 18, (3, 3), (1, 1), TWO, (2, 2), 1),
    ((2, 8, 12, 11), 24, (3, 3), (1, 1), ONE, (1, 1), 4),
    ((1, 64, 6, 7), 70, (3, 3), (1, 1), ONE, (1, 1), 2),
    ((1, 3, 19, 19), 16, (7, 7), (2, 2), ((3, 3), (3, 3)), (1, 1), 1),
    (("N", 4, 6, 7), 9, (1, 1), (1, 1), NONE, (1, 1), 1),
    (("N", 4, 6, 7), 9, (1, 1), (2, 2), NONE, (1, 1), 1),
    (("N", 4, 6, 7), 9, (3, 3), (1, 1), ONE, (1, 1), 1),
    ((1, 6, 17), 10, (3,), (1,), ((1, 1),), (1,), 1),
    ((1, 4, 2, 2), 8, (3, 3), (1, 1), TWO, (1, 1), 1),
    # one channel a group
    ((1, 20, 9, 9), 20, (3, 3), (1, 1), ONE, (1, 1), 20),
    ((2, 33, 10, 33), 33, (5, 5), (2, 2), TWO, (1, 1), 33),
    (("N", 16, 10, 7), 16, (3, 3), (1, 1), TWO, (2, 2), 16),
    ((1, 17, 4, 40), 17, (7, 7), (1, 1), ((3, 3), (3, 3)), (1, 1), 17),
    ((1, 6, 9, 9), 12, (3, 3), (1, 1), ONE, (1, 1), 6),
]


@widths
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution(machine: Machine, case: tuple[Any, ...]) -> None:
    """With a bias and a tail, over two threads."""
    x, outputs, kernel, strides, pads, dilations, groups = case
    draft = Draft()
    weight, bias = draft.const(outputs, x[1] // groups, *kernel), draft.const(outputs)
    how = {"strides": strides, "pads": pads, "dilations": dilations, "groups": groups}
    y = draft.b.conv(draft.input(*x), weight, bias, **how)
    assert error(draft.done(y, tail=True), parallel(machine), {"N": 3}) < 1e-5


@widths
def test_a_narrow_convolution_without_bias(machine: Machine) -> None:
    """f16 images are computed in f32 and rounded once."""
    draft = Draft(F16)
    y = draft.b.conv(
        draft.input(1, 5, 8, 8), draft.const(6, 5, 3, 3), strides=(1, 1), pads=ONE, dilations=(1, 1), groups=1
    )
    assert error(draft.done(y), machine) < 1e-3


@widths
@pytest.mark.parametrize("op", ["max_pool", "avg_pool", "avg_pool counting padding"])
@pytest.mark.parametrize(
    ("x", "kernel", "strides", "pads", "dilations", "ceil_mode"),
    [
        ((1, 20, 9, 9), (3, 3), (2, 2), ONE, (1, 1), False),
        ((2, 33, 9, 8), (3, 2), (2, 1), ONE, (2, 1), False),
        ((1, 16, 10, 10), (3, 3), (2, 2), ONE, (1, 1), True),
        (("N", 16, 7, 7), (7, 7), (1, 1), NONE, (1, 1), False),
        ((2, 5, 17), (3,), (2,), ((1, 1),), (1,), True),
    ],
)
def test_pooling(
    machine: Machine, op: str, x: Any, kernel: Any, strides: Any, pads: Any, dilations: Any, ceil_mode: bool
) -> None:
    """Windows that hang over every edge."""
    draft = Draft()
    name = op.partition(" ")[0]
    more = {"count_include_pad": "counting" in op} if name == "avg_pool" else {}
    y = getattr(draft.b, name)(
        draft.input(*x), kernel=kernel, strides=strides, pads=pads, dilations=dilations, ceil_mode=ceil_mode, **more
    )
    assert error(draft.done(y, tail=True), parallel(machine), {"N": 2}) < 1e-5
