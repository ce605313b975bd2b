"""The cost model's choices, packing, and what generators refuse."""

from __future__ import annotations

import numpy as np

from isthmus.backends.base import Refused
from isthmus.backends.tvm.kernels import Group
from isthmus.backends.tvm.schedules import packing
from isthmus.backends.tvm.schedules.machine import AVX2, AVX512
from isthmus.backends.tvm.schedules.table import generator_for
from isthmus.backends.tvm.schedules.tiles import Tile, fitting, plan, window_plan
from isthmus.ir.types import I32
from tests.backends.tvm.schedules.running import Draft, parallel


def test_tiles_fit_the_registers() -> None:
    """Accumulators, a row of vectors and one scalar."""
    for machine in (AVX2, AVX512):
        for tile in fitting(machine, 6):
            assert tile.rows * tile.vectors + tile.vectors + 1 <= machine.registers


def test_large_products_take_the_tiles_that_hide_loads() -> None:
    """14 x 2 of 32 registers; of 16, a dozen accumulators."""
    assert plan(AVX512, 14 * 200, 2048, 512).tile == Tile(14, 2)
    chosen = plan(AVX2, 1200, 2048, 512).tile
    assert chosen.rows * chosen.vectors == 12


def test_early_layers_share_rows_and_late_ones_channels() -> None:
    """The split follows what there is more of."""
    early = window_plan(parallel(AVX512), 1, 56, 56, 64, 576).split
    late = window_plan(parallel(AVX512), 1, 7, 7, 512, 4608).split
    assert (early.rows, early.columns) == (2, 1)
    assert (late.rows, late.columns) == (1, 2)


def test_panels_hold_the_matrix() -> None:
    """Columns side by side, zeros after the last."""
    matrix = np.arange(15, dtype=np.float32).reshape(3, 5)
    found = packing.panels(matrix, 4)
    assert found.shape == (2, 3, 4)
    np.testing.assert_array_equal(found[0], matrix[:, :4])
    np.testing.assert_array_equal(found[1], np.pad(matrix[:, 4:], ((0, 0), (0, 3))))


def test_merged_groups_are_blocks_on_the_diagonal() -> None:
    """Weights of two groups as one."""
    weight = np.arange(1, 9, dtype=np.float32).reshape(4, 2, 1, 1)
    found = packing.merged(weight, 2, 2)[:, :, 0, 0]
    np.testing.assert_array_equal(found, [[1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 5, 6], [0, 0, 7, 8]])


def test_refusals_say_why() -> None:
    """Integers, weights that are no constants, axes inside."""
    draft = Draft(I32)
    reason = _reason(draft, draft.b.matmul(draft.input(3, 4), draft.input(4, 5)))
    assert reason == "the processor has no tile unit; matrices of i32"
    draft = Draft()
    assert "innermost" in _reason(draft, draft.b.softmax(draft.input(3, 4), axis=0))
    draft = Draft()
    x, weight = draft.input(1, 3, 5, 5), draft.input(4, 3, 3, 3)
    moving = draft.b.conv(x, weight, strides=(1, 1), pads=((0, 0), (0, 0)), dilations=(1, 1))
    assert "not constant" in _reason(draft, moving)
    draft = Draft()
    assert _reason(draft, draft.b.relu(draft.input(4))) == "no generator writes relu"


def _reason(draft: Draft, value: object) -> str:
    offer = generator_for(Group(value.node), AVX512)  # type: ignore[attr-defined]
    assert isinstance(offer, Refused)
    return offer.reason
