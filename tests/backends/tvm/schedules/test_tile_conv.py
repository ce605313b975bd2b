"""Convolutions of bf16 by the tile unit (AMX), its instructions in plain loops, against the evaluator.

The bound is that of `test_bf16`: sums in f32 are rounded once.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from isthmus.backends.base import Refused
from isthmus.backends.tvm.dims import KernelSizes
from isthmus.backends.tvm.kernels import Group, Machine, symbols_of
from isthmus.backends.tvm.schedules.machine import AVX512, AVX512_BF16, TILES, target
from isthmus.backends.tvm.schedules.table import generator_for
from isthmus.backends.tvm.schedules.tile_conv import TileConv, tile_conv
from isthmus.backends.tvm.schedules.tile_unit import TileUnit
from isthmus.backends.tvm.schedules.tiles import Split
from isthmus.backends.tvm.schedules.windows import windows_of
from isthmus.ir.graph import Graph
from isthmus.ir.types import BF16, F32, TensorType
from tests.backends.tvm.schedules import running
from tests.backends.tvm.schedules.emulated import EmulatedUnit
from tests.backends.tvm.schedules.running import MACHINES, Draft, SimpleTail, compiled, drawn, error, parallel
from tests.backends.tvm.schedules.test_bf16 import BOUND

Pads = tuple[tuple[int, int], ...]
NONE: Pads = ((0, 0), (0, 0))
ONE: Pads = ((1, 1), (1, 1))
TWO: Pads = ((2, 2), (2, 2))

CASES: list[tuple[Any, ...]] = [
    # x, output channels, kernel, strides, pads, dilations
    ((1, 32, 9, 9), 40, (3, 3), (1, 1), ONE, (1, 1)),
    ((2, 24, 7, 7), 33, (3, 3), (1, 1), ONE, (1, 1)),
    ((1, 70, 5, 13), 16, (3, 2), (1, 1), ((1, 0), (0, 2)), (1, 1)),
    ((1, 16, 19, 19), 64, (7, 7), (2, 2), ((3, 3), (3, 3)), (1, 1)),
    ((1, 32, 10, 8), 20, (3, 3), (2, 2), ((0, 1), (0, 1)), (1, 1)),
    ((1, 32, 9, 21), 20, (3, 3), (1, 2), ONE, (1, 1)),
    ((1, 32, 9, 11), 32, (3, 3), (1, 1), TWO, (2, 2)),
    ((1, 32, 12, 17), 32, (3, 3), (2, 2), TWO, (2, 2)),
    ((1, 32, 13, 17), 32, (2, 3), (2, 2), ((3, 0), (3, 3)), (3, 3)),
    ((1, 32, 8, 26), 32, (2, 2), (3, 3), NONE, (1, 1)),
    ((1, 3, 19, 23), 64, (7, 7), (2, 2), ((3, 3), (3, 3)), (1, 1)),
    ((2, 40, 7, 9), 24, (3, 3), (1, 1), ONE, (2, 1)),
    ((1, 5, 6, 20), 32, (3, 7), (1, 3), ((4, 0), (9, 8)), (1, 1)),
    (("N", 64, 5, 7), 48, (1, 1), (1, 1), NONE, (1, 1)),
    (("N", 35, 5, 7), 48, (1, 1), (1, 1), NONE, (1, 1)),
    (("N", 32, 9, 13), 17, (1, 1), (2, 2), NONE, (1, 1)),
    (("N", 32, 6, 6), 32, (1, 1), (1, 1), ONE, (1, 1)),
    ((1, 32, 2, 3), 32, (3, 3), (1, 1), ((3, 3), (3, 3)), (1, 1)),
    ((2, 32, 37), 40, (3,), (1,), ((1, 1),), (1,)),
    ((2, 32, 34), 40, (1,), (1,), ((0, 0),), (1,)),
]

SMALL = replace(TILES, caches=(4 << 10, 16 << 10, 1 << 20))
"""A second-level cache that takes few rows of an image."""


def convolution(case: tuple[Any, ...], groups: int = 1, *, bias: bool = True, tail: bool = True) -> Graph:
    """A convolution by constants; with a tail that adds a residual."""
    x, outputs, kernel, strides, pads, dilations = case
    draft = Draft(BF16)
    given, weight = draft.input(*x), draft.const(outputs, x[1] // groups, *kernel)
    how = {"strides": strides, "pads": pads, "dilations": dilations, "groups": groups}
    return draft.done(draft.b.conv(given, weight, *([draft.const(outputs)] if bias else []), **how), tail)


def emulate(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    """Let `error` take the kernel that is written for a machine with tiles, which need not be at hand."""
    emulated = partial(tile_conv, unit=EmulatedUnit())
    monkeypatch.setattr(running, "generator_for", lambda group, _: emulated(group, machine))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution(monkeypatch: pytest.MonkeyPatch, case: tuple[Any, ...]) -> None:
    """With a bias and a residual, over two threads."""
    emulate(monkeypatch, parallel(TILES))
    assert error(convolution(case), MACHINES[-1], {"N": 3}) < BOUND


@pytest.mark.parametrize(("bias", "tail"), [(False, True), (True, False), (False, False)])
def test_without_bias_or_tail(monkeypatch: pytest.MonkeyPatch, bias: bool, tail: bool) -> None:
    """Sums are narrowed and stored as they are."""
    emulate(monkeypatch, TILES)
    assert error(convolution(CASES[0], bias=bias, tail=tail), MACHINES[-1]) < BOUND


@pytest.mark.parametrize("threads", [1, 3, 4])
@pytest.mark.parametrize("case", [CASES[0], CASES[3]], ids=str)
def test_rows_by_blocks(monkeypatch: pytest.MonkeyPatch, threads: int, case: tuple[Any, ...]) -> None:
    """Where the cache takes few rows, and tasks get unequal shares."""
    emulate(monkeypatch, replace(SMALL, threads=threads))
    assert error(convolution(case), MACHINES[-1]) < BOUND


def test_what_lies_beyond_a_row_reaches_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """An infinite pixel spoils the windows that look at it, and neither the next row's nor filled channels."""
    spoiled = drawn(TensorType(BF16, (1, 40, 9, 7)), {}, 0)
    spoiled[0, 3, 4, 6] = np.inf
    monkeypatch.setattr(running, "drawn", lambda *_: spoiled)
    draft = Draft(BF16)
    weight = draft.b.const(np.abs(drawn(TensorType(BF16, (30, 40, 3, 3)), {}, 1)))
    y = draft.b.conv(draft.input(1, 40, 9, 7), weight, strides=(1, 1), pads=ONE, dilations=(1, 1))
    emulate(monkeypatch, TILES)
    assert error(draft.done(y), MACHINES[-1]) < BOUND


def test_late_layers_share_panels() -> None:
    """Few rows waste a block each; many panels are shared out without loss."""
    for size, channels, wanted in ((56, 64, Split(2, 1)), (7, 512, Split(1, 2))):
        x = TensorType(BF16, (1, channels, size, size))
        w = windows_of(x, x, (3, 3), {"strides": (1, 1), "pads": ONE, "dilations": (1, 1)})
        assert w is not None
        assert TileConv(w, channels, parallel(TILES), TileUnit()).split(1) == wanted


def test_tiles_are_multiplied_by_their_instructions() -> None:
    """Tasks configure the unit; four loads serve four dots, and three serve two where half a panel is wanted."""
    whole, half = (_assembly(convolution(CASES[i])) for i in (6, 2))
    assert 0 < whole.index("ldtilecfg") < whole.index("tilerelease")
    wide, narrow = ([code.count(word) for word in ("\ttileloadd\t", "\ttdpbf16ps\t")] for code in (whole, half))
    assert wide[0] == wide[1] >= 4
    assert narrow[0] * 2 == narrow[1] * 3 >= 6


@pytest.mark.parametrize(
    ("graph", "machine", "words"),
    [
        (convolution(CASES[0]), AVX512_BF16, "no tile unit"),
        (convolution(CASES[0], 2), TILES, "tiles of 2 groups"),
        (convolution(((1, 2, 19, 19), 64, (3, 3), (1, 1), ONE, (1, 1))), TILES, "tiles of which"),
        (convolution(((1, 64, 1, 1), 64, (1, 1), (1, 1), NONE, (1, 1))), TILES, "tiles of which 3% would be used"),
    ],
    ids=["no unit", "groups", "two channels", "one pixel"],
)
def test_refusals(graph: Graph, machine: Machine, words: str) -> None:
    """The next generator serves."""
    refused = tile_conv(_group(graph), machine)
    assert isinstance(refused, Refused)
    assert words in refused.reason
    assert not isinstance(generator_for(_group(graph), machine), Refused)


def test_what_no_generator_packs() -> None:
    """f32, filters that are computed, and sizes known at run time only."""
    for draft, filters, size, words in (
        (Draft(F32), True, 9, "tiles of f32"),
        (Draft(BF16), False, 9, "not constant"),
        (Draft(BF16), True, "H", "known spatial sizes"),
    ):
        given = draft.input(1, 32, size, 9)
        weight = draft.const(32, 32, 3, 3) if filters else draft.input(32, 32, 3, 3)
        y = draft.b.conv(given, weight, strides=(1, 1), pads=ONE, dilations=(1, 1))
        refused = tile_conv(_group(draft.done(y)), TILES)
        assert isinstance(refused, Refused)
        assert words in refused.reason


def test_the_table_offers_tiles_where_there_are_some() -> None:
    """And pairs or plain vectors elsewhere."""
    group = _group(convolution(CASES[0]))
    titles = [getattr(generator_for(group, machine), "title", "") for machine in (TILES, AVX512_BF16, AVX512)]
    assert titles[0] == "conv 3x3 tiles 32x32"
    assert titles[1].startswith("conv bf16 3x3")
    assert titles[2].startswith("conv 3x3 ")


def _group(graph: Graph) -> Group:
    nodes = [n for n in graph.nodes if n.op.name != "const"]
    return Group(nodes[0], tuple(nodes[1:]))


def _assembly(graph: Graph) -> str:
    group = _group(graph)
    offer = generator_for(group, TILES)
    assert not isinstance(offer, Refused)
    written = offer.function(SimpleTail(group, offer.result), KernelSizes(symbols_of(group)))
    return str(compiled(written, target(TILES)).mod.inspect_source("asm"))
