"""The read-back evaluator's reductions, softmax, topk, cumulative sums and matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.tensorrt.element_types import Array
from tests.support.tensorrt.library import library
from tests.support.tensorrt.sketch import Sketch

TRT = library()
X = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)


def reduced(x: Array, op: str, axes: int, keep: bool = False) -> Array:
    sketch = Sketch()
    return sketch.run(sketch.network.add_reduce(sketch.input(x), getattr(TRT.ReduceOperation, op), axes, keep))[0]


@pytest.mark.parametrize(
    ("op", "function"), [("SUM", np.sum), ("PROD", np.prod), ("MAX", np.max), ("MIN", np.min), ("AVG", np.mean)]
)
@pytest.mark.parametrize(("mask", "axes"), [(0b001, 0), (0b110, (1, 2)), (0b101, (0, 2))])
def test_reductions(op: str, function: Any, mask: int, axes: Any) -> None:
    np.testing.assert_allclose(reduced(X, op, mask, True), function(X, axis=axes, keepdims=True), rtol=1e-6, atol=1e-6)
    assert reduced(X, op, mask).shape == function(X, axis=axes).shape


def test_halves_accumulate_in_f32() -> None:
    np.testing.assert_array_equal(reduced(np.ones((1, 4096), np.float16), "SUM", 2), [4096])


def test_reductions_of_integers() -> None:
    x = np.array([[-7, 0, 0], [2**30, 2**30, 5]], np.int32)
    np.testing.assert_array_equal(reduced(x, "AVG", 2)[:1], [-2])  # -7 / 3, towards zero
    np.testing.assert_array_equal(reduced(x, "MAX", 1), [2**30, 2**30, 5])


@pytest.mark.parametrize(("op", "want"), [("SUM", 0), ("PROD", 1), ("MAX", -np.inf), ("MIN", np.inf), ("AVG", np.nan)])
def test_reductions_of_nothing(op: str, want: float) -> None:
    """The table of NvInfer.h's ReduceOperation."""
    np.testing.assert_array_equal(reduced(np.zeros((2, 0), np.float32), op, 2), [want, want])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax(axis: int) -> None:
    sketch = Sketch()
    layer = sketch.network.add_softmax(sketch.input(X * 100))
    layer.axes = 1 << axis
    powers = np.exp(X.astype(np.float64) * 100)
    np.testing.assert_allclose(sketch.run(layer)[0], powers / powers.sum(axis, keepdims=True), rtol=1e-4, atol=1e-7)


def test_ragged_softmax_stops_at_the_bounds() -> None:
    sketch = Sketch()
    x = np.zeros((1, 2, 4), np.float32)
    layer = sketch.network.add_ragged_softmax(sketch.input(x), sketch.input(np.array([[[1], [4]]], np.int32)))
    np.testing.assert_array_equal(sketch.run(layer)[0], [[[1, 0, 0, 0], [0.25] * 4]])


@pytest.mark.parametrize(("op", "values", "places"), [("MAX", [5, 3], [1, 0]), ("MIN", [-2, 3], [3, 0])])
@pytest.mark.parametrize("dtype", [np.float16, np.int32])
def test_topk(op: str, values: list[int], places: list[int], dtype: Any) -> None:
    sketch = Sketch()
    x = np.array([[3, 5, 3, -2]], dtype)
    layer = sketch.network.add_topk(sketch.input(x), getattr(TRT.TopKOperation, op), 2, 2)
    got, at = sketch.run(layer)
    np.testing.assert_array_equal(got, np.array([values], dtype))
    np.testing.assert_array_equal(at, np.array([places], np.int32))


def test_topk_with_a_count_that_is_a_tensor() -> None:
    sketch = Sketch()
    layer = sketch.network.add_topk(sketch.input(X), TRT.TopKOperation.MAX, 1, 4)
    layer.set_input(1, sketch.constant(3, np.int32))
    np.testing.assert_array_equal(sketch.run(layer)[0], np.sort(X, -1)[..., :0:-1])


@pytest.mark.parametrize(
    ("exclusive", "reverse", "want"),
    [(False, False, [1, 3, 6]), (True, False, [0, 1, 3]), (False, True, [6, 5, 3]), (True, True, [5, 3, 0])],
)
def test_cumulative_sums(exclusive: bool, reverse: bool, want: list[int]) -> None:
    sketch = Sketch()
    x = np.array([[1, 2, 3], [10, 20, 30]], np.float16)
    axis = sketch.constant(1, np.int32)
    layer = sketch.network.add_cumulative(sketch.input(x), axis, TRT.CumulativeOperation.SUM, exclusive, reverse)
    np.testing.assert_array_equal(sketch.run(layer)[0], [want, [10 * v for v in want]])


def product(a: Array, b: Array, first: str = "NONE", second: str = "NONE") -> Array:
    sketch = Sketch()
    ops = (getattr(TRT.MatrixOperation, name) for name in (first, second))
    layer = sketch.network.add_matrix_multiply(sketch.input(a), next(ops), sketch.input(b), next(ops))
    return sketch.run(layer)[0]


def test_matrix_products() -> None:
    a, b = X, np.random.default_rng(1).standard_normal((1, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-6)
    got = product(a.swapaxes(1, 2).copy(), b.swapaxes(1, 2).copy(), "TRANSPOSE", "TRANSPOSE")
    np.testing.assert_allclose(got, a @ b, rtol=1e-6)
    np.testing.assert_allclose(product(a, b[..., 0], second="VECTOR"), (a @ b)[..., 0], rtol=1e-6)
    np.testing.assert_allclose(product(a[:, 0], b, first="VECTOR"), (a @ b)[:, 0], rtol=1e-6)
    np.testing.assert_allclose(product(a[:, 0], b[..., 0], "VECTOR", "VECTOR"), (a @ b)[:, 0, 0], rtol=1e-6)


def test_products_of_halves_round_once() -> None:
    a = np.array([[60000, 60000, 1]], np.float16)
    b = np.array([[1], [-1], [1]], np.float16)
    np.testing.assert_array_equal(product(a, b), [[1]])


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [("ij,jk->ik", ((2, 3), (3, 4))), ("bij,bkj->bik", ((2, 3, 4), (2, 5, 4))), ("ij->", ((2, 3),))],
)
def test_einsum(equation: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    sketch = Sketch()
    layer = sketch.network.add_einsum([sketch.input(a) for a in arrays], equation)
    want = np.einsum(equation, *(a.astype(np.float64) for a in arrays))
    np.testing.assert_allclose(sketch.run(layer)[0], want, rtol=1e-5)
