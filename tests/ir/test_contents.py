"""Symbolic contents: shape arithmetic is followed through small integer tensors."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.ir import F32, I32, I64, Builder, Contents, Dim, Graph, TensorType, symbol
from isthmus.ir.dim import floordiv

N, C = symbol("N"), symbol("C")


@pytest.fixture
def b() -> Builder:
    graph = Graph()
    graph.add_input(TensorType(F32, (N, C, 8)), "x")
    graph.add_input(TensorType(I64, (2,)), "unknown")
    return Builder(graph)


def test_a_flatten_chain_resolves(b: Builder) -> None:
    x = b.graph.inputs[0]
    batch = b.gather(b.shape_of(x), np.array([0]), axis=0)
    target = b.concat(batch, np.array([4, 2]), axis=0)
    assert Contents().dims(target) == (N, 4, 2)


def test_arithmetic_on_sizes(b: Builder) -> None:
    sizes = b.shape_of(b.graph.inputs[0])
    rows = b.slice(sizes, axes=(0,), starts=(0,), stops=(2,), steps=(1,))
    doubled = b.mul(rows, 2)
    halves = b.floor_div(b.add(doubled, 1), np.array([1, 2]))
    assert Contents().dims(halves) == (2 * N + 1, C)


def test_casts_keep_contents_and_scalars_are_tuples_of_one(b: Builder) -> None:
    sizes = b.cast(b.shape_of(b.graph.inputs[0]), dtype=I32)
    first = b.gather(sizes, np.array(-1, np.int64), axis=0)
    assert Contents().dims(first) == (8,)
    total = b.reduce_prod(sizes, axes=(0,))
    assert Contents().dims(total) == (8 * C * N,)


def test_dims_and_constants_are_known(b: Builder) -> None:
    known = Contents()
    wanted: tuple[Dim, ...] = (floordiv(N, 2), 3)
    assert known.dims(b.dims(wanted)) == wanted
    assert known.dims(b.const(np.array([5, -1]))) == (5, -1)


def test_data_is_not_known(b: Builder) -> None:
    x, unknown = b.graph.inputs
    known = Contents()
    assert known.of(x) is None
    assert known.of(unknown) is None
    assert known.of(b.concat(unknown, b.shape_of(x), axis=0)) is None
    assert known.of(b.const(np.arange(1000))) is None


def test_long_chains_need_no_stack(b: Builder) -> None:
    value = b.shape_of(b.graph.inputs[0])
    for _ in range(3000):
        value = b.add(value, 1)
    assert Contents().dims(value) == (N + 3000, C + 3000, 3008)
