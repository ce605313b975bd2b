"""The read-back evaluator's elementwise layers, by the formulas of NvInfer.h worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.support.tensorrt.element_types import Array
from tests.support.tensorrt.library import library
from tests.support.tensorrt.sketch import Sketch

TRT = library()


def binary(op: str, a: Array, b: Array) -> Array:
    sketch = Sketch()
    layer = sketch.network.add_elementwise(sketch.input(a), sketch.input(b), getattr(TRT.ElementWiseOperation, op))
    return sketch.run(layer)[0]


def unary(op: str, x: Array) -> Array:
    sketch = Sketch()
    return sketch.run(sketch.network.add_unary(sketch.input(x), getattr(TRT.UnaryOperation, op)))[0]


@pytest.mark.parametrize(
    ("op", "want"),
    [
        ("SUM", [-5, 5, 9]),
        ("PROD", [-14, -14, 14]),
        ("MAX", [2, 7, 7]),
        ("MIN", [-7, -2, 2]),
        ("SUB", [-9, 9, 5]),
        ("DIV", [-3, -3, 3]),
        ("FLOOR_DIV", [-4, -4, 3]),
        ("EQUAL", [False, False, False]),
        ("GREATER", [False, True, True]),
        ("LESS", [True, False, False]),
    ],
)
def test_binary_operations_on_integers(op: str, want: list[Any]) -> None:
    got = binary(op, np.array([-7, 7, 7], np.int32), np.array([2, -2, 2], np.int32))
    np.testing.assert_array_equal(got, np.array(want, np.bool_ if isinstance(want[0], bool) else np.int32))


@pytest.mark.parametrize(
    ("op", "want"), [("DIV", [-3.5, 3.5]), ("FLOOR_DIV", [-4.0, 3.0]), ("POW", [49.0, 49.0]), ("MAX", [2.0, 7.0])]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_binary_operations_on_floats(op: str, want: list[float], dtype: Any) -> None:
    got = binary(op, np.array([-7, 7], dtype), np.array([2, 2], dtype))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.astype(np.float32), want)


@pytest.mark.parametrize(
    ("op", "want"), [("AND", [1, 0, 0, 0]), ("OR", [1, 1, 1, 0]), ("XOR", [0, 1, 1, 0]), ("EQUAL", [1, 0, 0, 1])]
)
def test_logic(op: str, want: list[int]) -> None:
    got = binary(op, np.array([1, 1, 0, 0], np.bool_), np.array([1, 0, 1, 0], np.bool_))
    np.testing.assert_array_equal(got, np.array(want, np.bool_))


def test_dimensions_of_one_are_broadcast() -> None:
    got = binary("SUM", np.arange(3, dtype=np.float32).reshape(3, 1), np.arange(2, dtype=np.float32).reshape(1, 2))
    np.testing.assert_array_equal(got, [[0, 1], [1, 2], [2, 3]])


FUNCTIONS: dict[str, Any] = {
    "EXP": math.exp,
    "LOG": math.log,
    "SQRT": math.sqrt,
    "RECIP": lambda v: 1 / v,
    "ABS": abs,
    "NEG": lambda v: -v,
    "SIN": math.sin,
    "COS": math.cos,
    "TAN": math.tan,
    "SINH": math.sinh,
    "COSH": math.cosh,
    "ASIN": math.asin,
    "ACOS": math.acos,
    "ATAN": math.atan,
    "ASINH": math.asinh,
    "ACOSH": lambda v: math.acosh(v + 1),
    "ATANH": math.atanh,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "ERF": math.erf,
    "SIGN": lambda v: math.copysign(1, v),
    "ROUND": round,
}


@pytest.mark.parametrize("op", FUNCTIONS)
def test_unary_functions(op: str) -> None:
    x = np.array([0.25, 0.5, 0.75], np.float32)
    got = unary(op, x + 1 if op == "ACOSH" else x)
    np.testing.assert_allclose(got, [FUNCTIONS[op](v) for v in x.tolist()], rtol=1e-6)
    assert got.dtype == np.float32


def test_rounding_and_specials() -> None:
    np.testing.assert_array_equal(unary("ROUND", np.array([0.5, 1.5, -2.5, 2.6], np.float16)), [0, 2, -2, 3])
    np.testing.assert_array_equal(unary("SIGN", np.array([-3, 0, 5], np.int32)), [-1, 0, 1])
    np.testing.assert_array_equal(unary("ISINF", np.array([np.inf, -np.inf, np.nan, 1], np.float32)), [1, 1, 0, 0])
    np.testing.assert_array_equal(unary("ISNAN", np.array([np.inf, np.nan, 1], np.float32)), [0, 1, 0])
    np.testing.assert_array_equal(unary("NOT", np.array([True, False])), [False, True])


def _erf_gelu(v: float) -> float:
    return 0.5 * v * (1 + math.erf(math.sqrt(0.5) * v))


def _tanh_gelu(v: float) -> float:
    return 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (0.044715 * v**3 + v)))


ACTIVATIONS: dict[str, Any] = {
    "RELU": lambda v, a, b: max(v, 0),
    "SIGMOID": lambda v, a, b: 1 / (1 + math.exp(-v)),
    "TANH": lambda v, a, b: math.tanh(v),
    "LEAKY_RELU": lambda v, a, b: v if v >= 0 else a * v,
    "ELU": lambda v, a, b: v if v >= 0 else a * (math.exp(v) - 1),
    "SELU": lambda v, a, b: b * v if v > 0 else b * (a * math.exp(v) - a),
    "SOFTSIGN": lambda v, a, b: v / (1 + abs(v)),
    "SOFTPLUS": lambda v, a, b: a * math.log(math.exp(b * v) + 1),
    "CLIP": lambda v, a, b: max(a, min(b, v)),
    "HARD_SIGMOID": lambda v, a, b: max(0, min(1, a * v + b)),
    "SCALED_TANH": lambda v, a, b: a * math.tanh(b * v),
    "THRESHOLDED_RELU": lambda v, a, b: v if v > a else 0,
    "GELU_ERF": lambda v, a, b: _erf_gelu(v),
    "GELU_TANH": lambda v, a, b: _tanh_gelu(v),
}


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_activations(op: str) -> None:
    x = np.array([-3, -0.5, 0, 0.25, 0.5, 4], np.float32)
    sketch = Sketch()
    layer = sketch.network.add_activation(sketch.input(x), getattr(TRT.ActivationType, op))
    layer.alpha, layer.beta = 0.25, 0.75
    want = [ACTIVATIONS[op](v, 0.25, 0.75) for v in x.tolist()]
    np.testing.assert_allclose(sketch.run(layer)[0], want, rtol=1e-6, atol=1e-7)


def test_activations_do_not_overflow_where_the_result_is_finite() -> None:
    sketch = Sketch()
    layer = sketch.network.add_activation(sketch.input(np.array([300], np.float32)), TRT.ActivationType.SOFTPLUS)
    layer.alpha = layer.beta = 1
    np.testing.assert_array_equal(sketch.run(layer)[0], [300])


def test_a_slope_for_each_element() -> None:
    sketch = Sketch()
    x, slopes = np.array([[-2, 3], [-4, -5]], np.float16), np.array([[0.5, 2]], np.float16)
    layer = sketch.network.add_parametric_relu(sketch.input(x), sketch.input(slopes))
    np.testing.assert_array_equal(sketch.run(layer)[0], [[-1, 3], [-2, -10]])


def test_select_takes_the_first_where_true() -> None:
    sketch = Sketch()
    condition = sketch.input(np.array([[True, False]]))
    then, otherwise = (sketch.input(np.full((2, 1), v, np.int64)) for v in (1, 2))
    np.testing.assert_array_equal(sketch.run(sketch.network.add_select(condition, then, otherwise))[0], [[1, 2]] * 2)


@pytest.mark.parametrize(
    ("values", "source", "target", "want"),
    [
        ([-1.7, 1.7, 0.2], np.float32, np.int32, [-1, 1, 0]),
        ([1e30, -1e30, np.nan], np.float32, np.int32, [2**31 - 1, -(2**31), 0]),
        ([1e30, -np.inf, 5], np.float32, np.int64, [2**63 - 1, -(2**63), 5]),
        ([0.0, -0.5, np.nan], np.float16, np.bool_, [False, True, True]),
        ([True, False], np.bool_, np.float16, [1, 0]),
        ([65520.0, 1.0], np.float32, np.float16, [np.inf, 1]),
        ([16777217, -3], np.int32, np.float32, [16777216, -3]),
        ([1.00390625], np.float32, ml_dtypes.bfloat16, [1.0]),
    ],
)
def test_casts(values: list[Any], source: Any, target: Any, want: list[Any]) -> None:
    sketch = Sketch()
    x = sketch.input(np.array(values, source))
    layer = sketch.network.add_cast(x, getattr(TRT, np.dtype(target).name))
    (got,) = sketch.run(layer)
    np.testing.assert_array_equal(got, np.array(want).astype(target))
    assert got.dtype == target
