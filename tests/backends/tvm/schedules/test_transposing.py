"""Copies into another order of axes: squares turned in registers, what is left around them, sizes met when running."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.backends.base import BuildOptions
from isthmus.backends.tvm import TVMBackend
from isthmus.backends.tvm.schedules.transposing import fits, merged
from isthmus.ir.builder import Builder
from isthmus.ir.dim import symbol
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from isthmus.ir.types import BF16, F16, F32, I32, I64, DType, TensorType

N = symbol("N", 1, 64)
CASES = [
    ((48, 64), (1, 0)),
    ((37, 50), (1, 0)),
    ((1, 33, 7, 8), (0, 2, 3, 1)),
    ((3, 17, 20), (2, 1, 0)),
    ((N, 40, 21), (0, 2, 1)),
    ((20, N, 4), (2, 1, 0)),
    ((3, 5, 40), (1, 0, 2)),
]


@pytest.mark.parametrize("dtype", [F32, F16, BF16, I32, I64], ids=str)
def test_every_order_of_axes(dtype: DType) -> None:
    graph = Graph()
    b = Builder(graph)
    inputs = [graph.add_input(TensorType(dtype, shape), f"x{i}") for i, (shape, _) in enumerate(CASES)]
    made = [b.transpose(x, perm=perm) for x, (_, perm) in zip(inputs, CASES, strict=True)]
    graph.set_outputs(made, [f"y{i}" for i in range(len(made))])
    random = np.random.default_rng(0)
    shapes = [[size if isinstance(size, int) else 5 for size in shape] for shape, _ in CASES]
    arrays = [(random.standard_normal(shape) * 100).astype(dtype.numpy) for shape in shapes]
    gots = TVMBackend(is_isolated=False, is_optimized=False).build(graph, BuildOptions())(arrays)
    for got, want in zip(gots, evaluate(graph, arrays).values(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_axes_that_stay_together_are_one() -> None:
    assert merged((1, 7, 8, 33), (0, 2, 3, 1)) == ([56, 33], [1, 0])
    assert merged((4, N, 20), (2, 1, 0)) == ([4, N, 20], [2, 1, 0])
    assert merged((2, 3, 4), (0, 1, 2)) == ([24], [0])


def test_only_long_known_axes_are_turned() -> None:
    assert fits((1, 7, 8, 33), (0, 2, 3, 1), "float32", 16)
    assert not fits((1, 7, 8, 3), (0, 2, 3, 1), "float32", 16)
    assert not fits((N, 20), (1, 0), "float32", 16)
    assert not fits((48, 64), (1, 0), "int64", 16)
    assert not fits((48, 64), (0, 1), "float32", 16)
