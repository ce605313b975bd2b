"""Products of bf16 numbers with f32 sums: by pairs (AVX-512 BF16) and by tiles (AMX), against the evaluator.

The bound is far below the 4e-3 of bf16 itself: sums are rounded once, as the evaluator does, and may fall to the other
side of a boundary only where their order matters.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from isthmus.backends.base import Refused
from isthmus.backends.tvm.dims import KernelSizes
from isthmus.backends.tvm.kernels import Group, Machine, symbols_of
from isthmus.backends.tvm.schedules.machine import AVX512, AVX512_BF16, TILES, features, target
from isthmus.backends.tvm.schedules.table import generator_for
from isthmus.backends.tvm.schedules.tile_gemm import tile_linear
from isthmus.ir.graph import Graph
from isthmus.ir.types import BF16
from tests.backends.tvm.schedules import running
from tests.backends.tvm.schedules.emulated import EmulatedUnit
from tests.backends.tvm.schedules.running import MACHINES, Draft, SimpleTail, compiled, error, parallel

BOUND = 2e-4
NATIVE = AVX512_BF16 if AVX512_BF16.features <= features() else MACHINES[-1]
"""Without the instruction, the same operands are widened."""

Shape = tuple[int | str, ...]

PRODUCTS: list[tuple[Shape, int]] = [
    ((29, 34), 37),
    ((2, 15, 33), 70),
    ((30, 2048), 24),
    (("B", 5, 24), 40),
    ((1, 64), 200),
]

CONVOLUTIONS: list[tuple[Any, ...]] = [
    # x, output channels, kernel, strides, pads, dilations, groups
    ((1, 8, 9, 9), 20, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((2, 6, 10, 13), 33, (3, 2), (2, 1), ((1, 0), (0, 2)), (1, 1), 1),
    ((2, 16, 12, 11), 24, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 4),
    ((2, 8, 12, 11), 18, (3, 3), (1, 1), ((2, 2), (2, 2)), (2, 2), 1),
    ((1, 3, 19, 19), 16, (7, 7), (2, 2), ((3, 3), (3, 3)), (1, 1), 1),
    (("N", 4, 6, 7), 9, (1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    ((1, 8, 8, 8), 9, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
]


def product(x: Shape, columns: int, *, bias: bool = True) -> Graph:
    """A matrix product by constants, with a tail."""
    draft = Draft(BF16)
    inner = x[-1]
    assert isinstance(inner, int)
    given, weight = draft.input(*x), draft.const(inner, columns)
    y = draft.b.linear(given, weight, draft.const(columns)) if bias else draft.b.matmul(given, weight)
    return draft.done(y, tail=True)


def convolution(case: tuple[Any, ...]) -> Graph:
    """A convolution by constants, with a tail."""
    x, outputs, kernel, strides, pads, dilations, groups = case
    draft = Draft(BF16)
    weight, bias = draft.const(outputs, x[1] // groups, *kernel), draft.const(outputs)
    how = {"strides": strides, "pads": pads, "dilations": dilations, "groups": groups}
    return draft.done(draft.b.conv(draft.input(*x), weight, bias, **how), tail=True)


@pytest.mark.parametrize(("x", "columns"), PRODUCTS, ids=str)
def test_products_by_pairs(x: Shape, columns: int) -> None:
    """Odd inner sizes have no pairs and are widened; strides of whole pages are copied."""
    assert error(product(x, columns), parallel(NATIVE), {"B": 7}) < BOUND


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolutions_by_pairs(case: tuple[Any, ...]) -> None:
    """Padded copies keep bf16; an odd number of channels is widened."""
    assert error(convolution(case), parallel(NATIVE), {"N": 3}) < BOUND


def test_pairs_are_multiplied_by_their_instruction() -> None:
    """The function that holds it is inlined: no call is left in the loop."""
    for graph in (product((29, 34), 37), convolution(CONVOLUTIONS[0])):
        assembly = _assembly(graph, AVX512_BF16)
        assert "vdpbf16ps" in assembly
        assert "isthmus_dot_bf16" not in assembly


@pytest.mark.parametrize(
    ("x", "columns", "bias"),
    [((40, 64), 70, True), ((64, 32), 64, False), ((5, 96), 20, True), (("B", 9, 32), 40, True)],
    ids=str,
)
def test_products_by_tiles(monkeypatch: pytest.MonkeyPatch, x: Shape, columns: int, bias: bool) -> None:
    """Rows and columns that fill no block, rows known at run time only; the unit's instructions in plain loops."""
    emulated = partial(tile_linear, unit=EmulatedUnit())
    monkeypatch.setattr(running, "generator_for", lambda group, machine: emulated(group, parallel(TILES)))
    assert error(product(x, columns, bias=bias), MACHINES[-1], {"B": 7}) < BOUND


def test_tiles_are_multiplied_by_their_instructions() -> None:
    """Each thread configures the unit, and each loaded tile serves two dots."""
    lines = _assembly(product((64, 512), 64), TILES).splitlines()
    first, last = (next(i for i, line in enumerate(lines) if word in line) for word in ("ldtilecfg", "tilerelease"))
    assert first < last
    loads, dots = (sum(word in line for line in lines) for word in ("\ttileloadd\t", "\ttdpbf16ps\t"))
    assert loads == dots >= 4


def test_tiles_are_refused_where_they_do_not_fit() -> None:
    """Without the unit, in f32, and for inner sizes that leave a part of a tile: the next generator serves."""
    for graph, machine, words in (
        (product((64, 64), 64), AVX512, "no tile unit"),
        (product((64, 40), 64), TILES, "no multiple of 32"),
    ):
        group = _group(graph)
        refused = tile_linear(group, machine)
        assert isinstance(refused, Refused)
        assert words in refused.reason
        assert not isinstance(generator_for(group, machine), Refused)


def _group(graph: Graph) -> Group:
    nodes = [n for n in graph.nodes if n.op.name != "const"]
    return Group(nodes[0], tuple(nodes[1:]))


def _assembly(graph: Graph, machine: Machine) -> str:
    group = _group(graph)
    offer = generator_for(group, machine)
    assert not isinstance(offer, Refused)
    written = offer.function(SimpleTail(group, offer.result), KernelSizes(symbols_of(group)))
    return str(compiled(written, target(machine)).mod.inspect_source("asm"))
