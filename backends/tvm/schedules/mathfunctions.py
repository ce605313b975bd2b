"""exp, log, erf, tanh and sigmoid in f32 as polynomials and quotients of polynomials, so that they stay in registers.

TVM's own become one library call an element. Each function here takes a scalar f32 expression inside a vectorized loop
or a vector, and gives one of its type. Each states its largest relative error as measured over its whole domain by
`tests/backends/tvm/schedules/test_mathfunctions.py`; half a unit in the last place is 6.0e-8. NaN stays NaN.
The coefficients are fits of least relative error made by `tests/backends/tvm/schedules/fits.py`.

What is used twice is bound to a name first, as TVM's passes walk expressions as trees: call these where statements can
be written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.schedules.write import fma
from tvm import tirx
from tvm.tirx.script import builder as tir

_LOG2_E = math.log2(math.e)
_LN2_HIGH = 0.693145751953125
"""ln 2 to 15 bits: its product with a whole number below 2^8 is exact."""
_LN2_LOW = math.log(2) - _LN2_HIGH
_ROUND = 12582912.0
"""1.5 * 2^23: a number added to it is rounded to a whole one, which stands in the sum's low bits."""
_ONE_BITS = 127 << 23

_EXP = (1.0, 1.00000004, 0.49999992, 0.166664192, 0.0416682319, 0.00837489858, 0.00138367383)
"""exp(r) for |r| <= ln(2) / 2."""
_LOG = (
    *(0.333333312, -0.24999994, 0.200007148, -0.166680573, 0.14249322),
    *(-0.124201476, 0.116770144, -0.115145715, 0.070375934),
)
"""(log(1 + z) - z + z * z / 2) / z^3 for 1 + z from sqrt(1/2) to sqrt(2)."""
_ERF_TOP = (1.12837914, 0.191045706, 0.0528190083, 0.003789269, 0.000284748192, 2.03625121e-06)
_ERF_BOTTOM = (1.0, 0.502642556, 0.114360399, 0.0150169492, 0.00116704222, 3.79418438e-05)
"""erf(x) / x in x * x up to 15.5; beyond, erf(x) is 1 in f32."""
_TANH_TOP = (1.0, 0.136808627, 0.0038695155, 2.80314436e-05, 3.06427754e-08, -1.22463676e-11)
_TANH_BOTTOM = (1.0, 0.470141948, 0.0272501849, 0.000394072594, 1.2890434e-06)
"""tanh(x) / x in x * x up to 81; beyond, tanh(x) is 1 in f32."""


def exp(x: Expr) -> Expr:
    """e^x. Relative error 1.0e-7; results below the least normal number are rounded to the spacing there."""
    n, mantissa = _exp_parts(_between(x, -104.0, 89.0))
    half = tir.bind(
        _shift_right(n, 1)
    )  # in two steps: 2^n itself may leave the exponent's range, to infinity or to zero
    return mantissa * _power_of_two(half) * _power_of_two(n - half)


def exp_of_negative(x: Expr) -> Expr:
    """e^x for x <= 0 as sums of such terms need it: results below 1.2e-38 stay there. Relative error 1.0e-7."""
    n, mantissa = _exp_parts(_at_least(x, -87.33))
    return _scaled(mantissa, n)


def sigmoid(x: Expr) -> Expr:
    """1 / (1 + e^-x). Relative error 2.0e-7; below -87 results stay at 1.2e-38."""
    n, mantissa = _exp_parts(_between(-x, -87.33, 87.33))
    return _like(1.0, x) / (_like(1.0, x) + _scaled(mantissa, n))


def log(x: Expr) -> Expr:
    """The natural logarithm. Relative error 1.3e-7; -inf at 0, NaN below."""
    x = tir.bind(x)
    tiny = x < _like(1.17549435e-38, x)
    bits = tir.bind(tirx.reinterpret(_int_type(x), tirx.Select(tiny, x * _like(float(1 << 25), x), x)))
    # The exponent that leaves a mantissa from sqrt(1/2) to sqrt(2); the constant is sqrt(1/2) in bits.
    e = tir.bind(_shift_right(bits - _int_like(0x3F3504F3, x), 23))
    z = tir.bind(tirx.reinterpret(_type(x), bits - _shift_left(e, 23)) - _like(1.0, x))
    power = tir.bind(tirx.Cast(_type(x), e) - tirx.Select(tiny, _like(25.0, x), _like(0.0, x)))
    square = tir.bind(z * z)
    rest = fma(power, _like(_LN2_LOW, x), square * (z * polynomial(z, _LOG)))
    result = fma(power, _like(_LN2_HIGH, x), z + fma(square, _like(-0.5, x), rest))
    infinite = tirx.Select(x == _like(math.inf, x), x, result)
    edge = tirx.Select(x == _like(0.0, x), _like(-math.inf, x), _like(math.nan, x))
    return tirx.Select(x > _like(0.0, x), infinite, edge)


def erf(x: Expr) -> Expr:
    """The error function. Relative error 2.7e-7."""
    return _odd_quotient(_between(x, -3.93, 3.93), _ERF_TOP, _ERF_BOTTOM)


def tanh(x: Expr) -> Expr:
    """The hyperbolic tangent. Relative error 3.0e-7."""
    return _odd_quotient(_between(x, -9.0, 9.0), _TANH_TOP, _TANH_BOTTOM)


def maximum(x: Expr, y: Expr) -> Expr:
    """The greater one; NaN if either is."""
    x, y = tir.bind(x), tir.bind(y)
    return tirx.Select(x >= y, x, tirx.Select(y > x, y, x + y))


def polynomial(x: Expr, coefficients: Sequence[float]) -> Expr:
    """The sum of coefficients[k] * x^k, by Horner's rule."""
    *rest, total = (_like(c, x) for c in coefficients)
    for each in reversed(rest):
        total = fma(total, x, each)
    return total


def _odd_quotient(x: Expr, top: Sequence[float], bottom: Sequence[float]) -> Expr:
    square = tir.bind(x * x)
    return x * polynomial(square, top) / polynomial(square, bottom)


def _exp_parts(x: Expr) -> tuple[Expr, Expr]:
    """(n, m) with e^x = 2^n * m, n an integer and m from sqrt(1/2) to sqrt(2)."""
    sum_ = tir.bind(fma(x, _like(_LOG2_E, x), _like(_ROUND, x)))
    whole = tir.bind(sum_ - _like(_ROUND, x))
    r = tir.bind(fma(whole, _like(-_LN2_LOW, x), fma(whole, _like(-_LN2_HIGH, x), x)))
    n = tir.bind(tirx.reinterpret(_int_type(x), sum_) - _int_like(0x4B400000, x))
    return n, polynomial(r, _EXP)


def _scaled(mantissa: Expr, n: Expr) -> Expr:
    """mantissa * 2^n where the result is a normal number: n is added to the exponent's bits."""
    bits = tirx.reinterpret(_type(n), mantissa) + _shift_left(n, 23)
    return tirx.reinterpret(_type(mantissa), bits)


def _power_of_two(n: Expr) -> Expr:
    return tirx.reinterpret(_type(n).replace("int", "float"), _shift_left(n, 23) + _int_like(_ONE_BITS, n))


def _between(x: Expr, low: float, high: float) -> Expr:
    """Limits that let NaN through."""
    x = tir.bind(x)
    return _at_least(tirx.Select(x > _like(high, x), _like(high, x), x), low)


def _at_least(x: Expr, low: float) -> Expr:
    x = tir.bind(x)
    return tir.bind(tirx.Select(x < _like(low, x), _like(low, x), x))


def _like(number: float, x: Expr) -> Expr:
    return tirx.const(number, _type(x))


def _int_like(number: int, x: Expr) -> Expr:
    return tirx.const(number, _int_type(x))


def _int_type(x: Expr) -> str:
    return _type(x).replace("float", "int")


def _shift_left(n: Expr, by: int) -> Expr:
    return tirx.shift_left(n, _int_like(by, n))


def _shift_right(n: Expr, by: int) -> Expr:
    return tirx.shift_right(n, _int_like(by, n))


def _type(x: Expr) -> str:
    return str(x.ty.dtype)
