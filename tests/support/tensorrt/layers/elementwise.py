"""Layers that work element by element. Narrow floats are computed in f32 and rounded to their type."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from tests.support.tensorrt.element_types import FLOATS, NUMPY, Array, numpy_type, wide
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.meaning import means


def erf(x: Array) -> Array:
    """The Gauss error function of an f32 array, exact to f32."""
    flat = x.reshape(-1).tolist()
    return np.fromiter(map(math.erf, flat), np.float64, len(flat)).reshape(x.shape).astype(x.dtype)


def _divide(a: Array, b: Array) -> Array:
    """Integers are divided as in C++, towards zero: NvInfer.h says "divide", and no more."""
    if a.dtype in FLOATS:
        return np.asarray(a / b)
    return np.asarray(np.floor_divide(a, b) + ((a % b != 0) & ((a < 0) != (b < 0))))


_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "SUM": np.add,
    "PROD": np.multiply,
    "MAX": np.maximum,  # NaN wins: NvInfer.h is silent, ONNX Max says so
    "MIN": np.minimum,
    "SUB": np.subtract,
    "DIV": _divide,
    "POW": np.power,
    "FLOOR_DIV": lambda a, b: np.floor(a / b) if a.dtype in FLOATS else np.floor_divide(a, b),
    "AND": np.logical_and,
    "OR": np.logical_or,
    "XOR": np.logical_xor,
    "EQUAL": np.equal,
    "GREATER": np.greater,
    "LESS": np.less,
}
_UNARY: dict[str, Callable[[Array], Array]] = {
    "EXP": np.exp,
    "LOG": np.log,
    "SQRT": np.sqrt,
    "RECIP": lambda x: np.float32(1) / x,
    "ABS": np.abs,
    "NEG": np.negative,
    "SIN": np.sin,
    "COS": np.cos,
    "TAN": np.tan,
    "SINH": np.sinh,
    "COSH": np.cosh,
    "ASIN": np.arcsin,
    "ACOS": np.arccos,
    "ATAN": np.arctan,
    "ASINH": np.arcsinh,
    "ACOSH": np.arccosh,
    "ATANH": np.arctanh,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "ERF": erf,
    "NOT": np.logical_not,
    "SIGN": np.sign,
    "ROUND": np.rint,
    "ISINF": np.isinf,
    "ISNAN": np.isnan,
}
_ACTIVATION: dict[str, Callable[[Array, Any, Any], Array]] = {
    "RELU": lambda x, a, b: np.maximum(x, x.dtype.type(0)),
    "SIGMOID": lambda x, a, b: 1 / (1 + np.exp(-x)),
    "TANH": lambda x, a, b: np.tanh(x),
    "LEAKY_RELU": lambda x, a, b: np.where(x >= 0, x, a * x),
    "ELU": lambda x, a, b: np.where(x >= 0, x, a * np.expm1(x)),
    "SELU": lambda x, a, b: b * np.where(x > 0, x, a * np.expm1(x)),
    "SOFTSIGN": lambda x, a, b: x / (1 + np.abs(x)),
    "SOFTPLUS": lambda x, a, b: a * np.logaddexp(b * x, np.float32(0)),
    "CLIP": lambda x, a, b: np.maximum(a, np.minimum(b, x)),
    "HARD_SIGMOID": lambda x, a, b: np.maximum(np.float32(0), np.minimum(np.float32(1), a * x + b)),
    "SCALED_TANH": lambda x, a, b: a * np.tanh(b * x),
    "THRESHOLDED_RELU": lambda x, a, b: np.where(x > a, x, np.float32(0)),
    "GELU_ERF": lambda x, a, b: x * (np.float32(0.5) * (1 + erf(x * np.float32(math.sqrt(0.5))))),
    "GELU_TANH": lambda x, a, b: x * (np.float32(0.5) * (1 + np.tanh(_gelu_argument(x)))),
}
"""Formulas of NvInfer.h's ActivationType, in forms that do not overflow where the formula's value is finite."""


def _gelu_argument(x: Array) -> Array:
    return np.float32(math.sqrt(2 / math.pi)) * (np.float32(0.044715) * x**3 + x)


@means("IElementWiseLayer")
def elementwise(layer: Any, x: Array, y: Array) -> Array:
    """A binary operation; dimensions of 1 are broadcast."""
    result = _BINARY[layer.op.name](wide(x), wide(y))
    return result if result.dtype == np.bool_ else result.astype(x.dtype)


@means("IUnaryLayer")
def unary(layer: Any, x: Array) -> Array:
    """A function of one operand."""
    result = np.asarray(_UNARY[layer.op.name](wide(x)))
    return result if result.dtype == np.bool_ else result.astype(x.dtype)


@means("IActivationLayer")
def activation(layer: Any, x: Array) -> Array:
    """An activation function with its alpha and beta."""
    return _ACTIVATION[layer.type.name](wide(x), np.float32(layer.alpha), np.float32(layer.beta)).astype(x.dtype)


@means("IParametricReLULayer")
def parametric_relu(layer: Any, x: Array, slopes: Array) -> Array:
    """Elements below zero are multiplied with a slope."""
    return np.where(wide(x) < 0, wide(slopes) * wide(x), wide(x)).astype(x.dtype)


@means("ISelectLayer")
def select(layer: Any, condition: Array, then: Array, otherwise: Array) -> Array:
    """`numpy.where` with broadcasting."""
    return np.where(condition, then, otherwise)


@means("IIdentityLayer")
def identity(layer: Any, x: Array) -> Array:
    """The operand in the output's type, which in a strongly typed network is its own."""
    return converted(x, numpy_type(layer.get_output(0).dtype))


@means("ICastLayer")
def cast(layer: Any, x: Array) -> Array:
    """The operand in another type: "all types except FP8" (the bindings' ICastLayer)."""
    target = numpy_type(layer.to_type)
    if NUMPY["FP8"] in (x.dtype, target) and x.dtype != target:
        raise NetworkError(f"cast '{layer.name}' from {x.dtype} to {target}: conversions of FP8 are undocumented")
    return converted(x, target)


def converted(x: Array, dtype: np.dtype[Any]) -> Array:
    """As C++ converts: floats to integers towards zero, to bool by being other than zero, to floats to nearest even.

    Floats beyond an integer type are undefined by the documentation ("Cast", "DataType"); they saturate here and NaN
    is 0, which is what CUDA's conversion instructions do.
    """
    if dtype == np.bool_:
        return np.asarray(wide(x) != 0)
    if x.dtype not in FLOATS or dtype in FLOATS:
        return x.astype(dtype)
    bounds = ml_dtypes.iinfo(dtype)
    exact = np.trunc(np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf))
    inside = (exact > bounds.min) & (exact < bounds.max)  # 2**63 is a float, and beyond i64
    saturated = np.where(exact > 0, bounds.max, bounds.min).astype(dtype)
    return np.where(inside, np.where(inside, exact, 0).astype(dtype), saturated)
