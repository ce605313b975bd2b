"""Exponentials, logarithms, trigonometric functions and their kin, element by element. Integers become floats first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from isthmus.compiler.importers.torch.args import floated
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import AtenLowering, aten
from isthmus.ir.graph import Value

_FLOAT_UNARY = (
    "acos acosh asin asinh atan atanh cos cosh erf exp expm1 log log1p reciprocal rsqrt sigmoid sin sinh sqrt tan tanh"
)
"""ATen ops that are one op of the table, and turn integers into floats first."""

_ARC = ("acos", "acosh", "asin", "asinh", "atan", "atanh")
"""Those that torch also spells arccos and so on."""

_ERFC = (
    *(-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806),
    *(0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277),
)
"""The series of erfc's logarithm, lowest power first."""

_ERFINV_MIDDLE = (
    *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087),
    *(-0.00125372503, -0.00417768164, 0.246640727, 1.50140941),
)
_ERFINV_ENDS = (
    *(-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773),
    *(-0.0076224613, 0.00943887047, 1.00167406, 2.83297682),
)
"""The series of erfinv, highest power first."""


def _float_unary(name: str) -> AtenLowering[Value]:
    @aten(*((name, f"arc{name[1:]}") if name in _ARC else (name,)))
    def unary(b: TorchBuilder, x: Value) -> Value:
        found: Value = b.create(name, (floated(b, x),)).result
        return found

    return unary


float_unary = tuple(_float_unary(name) for name in _FLOAT_UNARY.split())


@aten("log2")
def log2(b: TorchBuilder, x: Value) -> Value:
    return b.mul(b.log(floated(b, x)), 1 / math.log(2))


@aten("log10")
def log10(b: TorchBuilder, x: Value) -> Value:
    return b.mul(b.log(floated(b, x)), 1 / math.log(10))


@aten("exp2")
def exp2(b: TorchBuilder, x: Value) -> Value:
    x = floated(b, x)
    return b.pow(b.const(2.0, x.dtype), x)


@aten("erfc")
def erfc(b: TorchBuilder, x: Value) -> Value:
    """1 - erf(x) where that keeps its digits, else exp(-x^2) times a rational series in 1 / (1 + x / 2).

    The series is that of Press et al., Numerical Recipes, section 6.2 (relative error 1.2e-7 everywhere).
    """
    x = floated(b, x)
    t = b.reciprocal(b.add(b.mul(b.maximum(x, 0.5), 0.5), 1.0))
    tail = b.mul(t, b.exp(b.sub(_polynomial(b, t, _ERFC[::-1]), b.mul(x, x))))
    return b.where(b.greater(x, 0.5), tail, b.sub(1.0, b.erf(x)))


@aten("erfinv", "special_erfinv")
def erfinv(b: TorchBuilder, x: Value) -> Value:
    """By a series in w = -log(1 - x^2) around its middle, and one in sqrt(w) for what is close to -1 or 1.

    The series are those of M. Giles, Approximating the erfinv function (GPU Computing Gems, 2010), single precision.
    """
    x = floated(b, x)
    w = b.neg(b.log(b.mul(b.sub(1.0, x), b.add(1.0, x))))
    middle = _polynomial(b, b.sub(w, 2.5), _ERFINV_MIDDLE)
    ends = _polynomial(b, b.sub(b.sqrt(b.maximum(w, 5.0)), 3.0), _ERFINV_ENDS)
    found = b.mul(b.where(b.less(w, 5.0), middle, ends), x)
    return b.where(b.equal(b.abs(x), 1.0), b.mul(x, math.inf), found)


@aten("logit")
def logit(b: TorchBuilder, x: Value, eps: float | None = None) -> Value:
    x = floated(b, x)
    x = x if eps is None else b.clip(x, eps, 1 - eps)
    return b.log(b.div(x, b.sub(1.0, x)))


def _polynomial(b: TorchBuilder, x: Value, coefficients: Sequence[float]) -> Value:
    """Its value at x, the coefficient of the highest power first."""
    value = b.const(coefficients[0], x.dtype)
    for coefficient in coefficients[1:]:
        value = b.add(b.mul(value, x), coefficient)
    return value
