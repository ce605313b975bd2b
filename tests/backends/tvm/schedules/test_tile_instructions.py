"""Optimized machine code for the tile unit, its instructions carried out one by one, against the evaluator.

The other tests of tiles replace the instructions where TIR is written; here stand their encodings, the layout that the
unit is configured with, and the order that LLVM leaves them in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from isthmus.backends.tvm.schedules.machine import TILES, features
from isthmus.backends.tvm.schedules.tile_unit import FEATURES
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import BF16
from tests.backends.tvm.schedules import running
from tests.backends.tvm.schedules.running import Draft, error, parallel, relative_error
from tests.backends.tvm.schedules.test_bf16 import BOUND, product
from tests.backends.tvm.schedules.test_tile_conv import NONE, ONE, convolution
from tests.support.tile_emulated import built_with_tiles, target_with_tiles, tile_unit

GRAPHS: dict[str, Graph] = {
    "product": product((40, 64), 70),
    "3x3": convolution(((1, 64, 28, 28), 64, (3, 3), (1, 1), ONE, (1, 1))),
    "3x3 s2": convolution(((2, 40, 13, 17), 48, (3, 3), (2, 2), ONE, (1, 1))),
    "1x1": convolution(((1, 64, 14, 14), 128, (1, 1), (1, 1), NONE, (1, 1))),
    "7x7 s2 of three channels": convolution(((1, 3, 33, 33), 64, (7, 7), (2, 2), ((3, 3), (3, 3)), (1, 1))),
}


@pytest.fixture(scope="module")
def dots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], int]]:
    """How many dots were carried out so far."""
    with tile_unit(tmp_path_factory.mktemp("unit")) as count:
        yield count


@pytest.mark.parametrize("name", GRAPHS)
def test_instructions(monkeypatch: pytest.MonkeyPatch, dots: Callable[[], int], name: str) -> None:
    """Two threads, each of which configures the unit for itself."""
    monkeypatch.setattr(running, "target", lambda _: target_with_tiles())
    before = dots()
    assert error(GRAPHS[name], parallel(TILES), is_optimized=True) < BOUND
    assert dots() > before or features() >= FEATURES


def test_a_network(dots: Callable[[], int]) -> None:
    """Kernels of one program: layouts, sums with what came before and activations are the emitter's."""
    graph = _network()
    x = np.random.default_rng(0).standard_normal((3, 3, 38, 38)).astype(BF16.numpy)
    program = built_with_tiles(graph, threads=2)
    before = dots()
    [got] = program([x])
    [want] = evaluate(graph, {"x0": x}).values()
    assert relative_error(got, want) < 2.0**-8
    assert dots() > before or features() >= FEATURES
    assert program.info["kernels"].count("tiles") == 4
    assert "conv" not in program.info.get("default kernels", "")


def _network() -> Graph:
    """A stem of three channels, a block with a residual, a step down, and a head."""
    draft = Draft(BF16)
    b = draft.b

    def conv(x: Value, outputs: int, size: int, stride: int) -> Value:
        channels, side = x.shape[1], size // 2
        assert isinstance(channels, int)
        pads = ((side, side), (side, side))
        weight, bias = draft.const(outputs, channels, size, size), draft.const(outputs)
        return b.conv(x, weight, bias, strides=(stride, stride), pads=pads, dilations=(1, 1))

    stem = b.relu(conv(draft.input("N", 3, 38, 38), 32, 7, 2))
    x = b.max_pool(stem, kernel=(3, 3), strides=(2, 2), pads=ONE, dilations=(1, 1))
    x = b.relu(b.add(conv(b.relu(conv(x, 32, 3, 1)), 32, 3, 1), x))
    x = conv(b.relu(conv(x, 64, 1, 2)), 96, 1, 1)
    return draft.done(b.linear(b.reduce_mean(x, axes=(2, 3)), draft.const(96, 40), draft.const(40)))
