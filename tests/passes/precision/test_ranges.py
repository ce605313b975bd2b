"""What constants and bounded ops tell of ranges, against what the evaluator sees."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isthmus.ir import parse
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Value
from isthmus.ir.types import Array
from isthmus.passes.numerics import seeded_inputs
from isthmus.passes.precision.ranges import UNKNOWN, known_ranges, range_of

GRAPH = """
graph @bounded(%x: f32[4, 4], %c: bool[4, 4]) {
  %k = const f32[] 8.0
  %eps = const f32[] 0.25
  %least = const f32[] -3.4028235e+38
  %t: f32[4, 4] = tanh(%x)
  %scaled: f32[4, 4] = mul(%t, %k)
  %squares: f32[4, 4] = mul(%scaled, %scaled)
  %guarded: f32[4, 4] = add(%squares, %eps)
  %root: f32[4, 4] = sqrt(%guarded)
  %ratio: f32[4, 4] = div(%scaled, %root)
  %e: f32[4, 4] = exp(%t)
  %total: f32[4] = reduce_sum(%e) {axes = [1]}
  %flipped: f32[4, 4] = neg(%guarded)
  %r: f32[4, 4] = relu(%flipped)
  %masked: f32[4, 4] = where(%c, %x, %least)
  %both: f32[4, 8] = concat(%t, %e) {axis = 1}
  %rows: f32[4, 4] = matmul(%t, %x)
  return y: %ratio, z: %total, m: %masked, b: %both, r: %r, q: %rows
}
"""


@pytest.mark.parametrize("seed", range(5))
def test_nothing_leaves_its_known_range(seed: int) -> None:
    graph = parse(GRAPH)
    known = known_ranges(graph)

    def observe(value: Value, array: Array) -> None:
        if value.dtype.is_float:
            bounds, seen, room = known.get(value, UNKNOWN), range_of(array), 1e-6
            assert bounds.low - room <= seen.low
            assert seen.high <= bounds.high + room
            assert bounds.gap <= seen.gap + room

    evaluate(graph, seeded_inputs(graph, seed), observe=observe)


def test_what_is_known() -> None:
    known = {value.name: found for value, found in known_ranges(parse(GRAPH)).items()}
    assert (known["scaled"].low, known["scaled"].high) == (-8.0, 8.0)
    assert (known["squares"].low, known["squares"].high) == (0.0, 64.0)
    assert (known["root"].gap, known["ratio"].high) == (0.5, 16.0)
    assert (known["masked"].reached, known["masked"].high) == (float(np.float32(3.4028235e38)), math.inf)
    assert "rows" not in known
