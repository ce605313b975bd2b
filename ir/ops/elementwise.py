"""Elementwise mathematics. Binary ops broadcast as numpy does; both operands have one element type.

Floating-point results are those of IEEE 754 with round-to-nearest-even; NaN propagates unless a row says otherwise.
Integer arithmetic wraps around.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.ir.errors import TypeRuleError
from isthmus.ir.op import ELEMENTWISE, SYMBOLIC, Any_, Bool, Float, Int, Num, Other, Trait, op
from isthmus.ir.ops.infer import broadcast, elementwise, like, predicate
from isthmus.ir.precision import cramped, fragile
from isthmus.ir.types import Array, DType, TensorType

_ARITHMETIC = ELEMENTWISE | SYMBOLIC
_SWAPPABLE = ELEMENTWISE | {Trait.COMMUTATIVE}

_NEAR_ZERO = "a divisor near zero vanishes or its quotient overflows"
_GROWS = "exponentials magnify absolute errors and leave the range"
_STEEP = "near an end of its domain the slope magnifies rounding"
_ANGLE = "a rounded angle is another angle once it is large"
_STEP = "a rounded operand falls on the other side of a step"

# -- one operand ----------------------------------------------------------------------------------


@op(infer=like(), traits=ELEMENTWISE)
def abs(x: Num) -> Array:
    """|x|; the least signed integer stays itself."""
    return np.abs(x)


@op(infer=like(), traits=_ARITHMETIC)
def neg(x: Num) -> Array:
    """-x."""
    return np.negative(x)


@op(infer=like(), traits=ELEMENTWISE)
def sign(x: Num) -> Array:
    """-1, 0 or 1; NaN stays NaN."""
    return np.sign(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_STEP))
def ceil(x: Float) -> Array:
    """The least integer not below x."""
    return np.ceil(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_STEP))
def floor(x: Float) -> Array:
    """The greatest integer not above x."""
    return np.floor(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_STEP))
def round(x: Float) -> Array:
    """The nearest integer, ties to even."""
    return np.rint(x)


@op(infer=like(), traits=ELEMENTWISE, precision=cramped("numbers near zero vanish before the root is taken"))
def sqrt(x: Float) -> Array:
    """Square root; NaN below zero."""
    return np.sqrt(x)


@op(infer=like(), traits=ELEMENTWISE, precision=cramped(_NEAR_ZERO))
def rsqrt(x: Float) -> Array:
    """1 / sqrt(x)."""
    return 1 / np.sqrt(x)


@op(infer=like(), traits=ELEMENTWISE, precision=cramped(_NEAR_ZERO))
def reciprocal(x: Float) -> Array:
    """1 / x."""
    return np.reciprocal(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_GROWS))
def exp(x: Float) -> Array:
    """e to the x."""
    return np.exp(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_GROWS))
def expm1(x: Float) -> Array:
    """exp(x) - 1, accurate near zero."""
    return np.expm1(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_STEEP))
def log(x: Float) -> Array:
    """Natural logarithm; NaN below zero."""
    return np.log(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_STEEP))
def log1p(x: Float) -> Array:
    """log(1 + x), accurate near zero."""
    return np.log1p(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_ANGLE))
def sin(x: Float) -> Array:
    """Sine of radians."""
    return np.sin(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_ANGLE))
def cos(x: Float) -> Array:
    """Cosine of radians."""
    return np.cos(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_ANGLE))
def tan(x: Float) -> Array:
    """Tangent of radians."""
    return np.tan(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_STEEP))
def asin(x: Float) -> Array:
    """Inverse sine, in radians."""
    return np.arcsin(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_STEEP))
def acos(x: Float) -> Array:
    """Inverse cosine, in radians."""
    return np.arccos(x)


@op(infer=like(), traits=ELEMENTWISE)
def atan(x: Float) -> Array:
    """Inverse tangent, in radians."""
    return np.arctan(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_GROWS))
def sinh(x: Float) -> Array:
    """Hyperbolic sine."""
    return np.sinh(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_GROWS))
def cosh(x: Float) -> Array:
    """Hyperbolic cosine."""
    return np.cosh(x)


@op(infer=like(), traits=ELEMENTWISE)
def tanh(x: Float) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x)


@op(infer=like(), traits=ELEMENTWISE)
def asinh(x: Float) -> Array:
    """Inverse hyperbolic sine."""
    return np.arcsinh(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_STEEP))
def acosh(x: Float) -> Array:
    """Inverse hyperbolic cosine; NaN below one."""
    return np.arccosh(x)


@op(infer=like(), traits=ELEMENTWISE, precision=fragile(_STEEP))
def atanh(x: Float) -> Array:
    """Inverse hyperbolic tangent."""
    return np.arctanh(x)


@op(infer=like(), traits=ELEMENTWISE)
def erf(x: Float) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x."""
    return erf_array(x)


@op(infer=like(), traits=ELEMENTWISE)
def bitwise_not(x: Int) -> Array:
    """Every bit flipped."""
    return np.invert(x)


@op(infer=like(), traits=ELEMENTWISE)
def logical_not(x: Bool) -> Array:
    """not x."""
    return np.logical_not(x)


@op(infer=predicate, traits=ELEMENTWISE)
def is_nan(x: Float) -> Array:
    """Whether x is NaN."""
    return np.isnan(x)


@op(infer=predicate, traits=ELEMENTWISE)
def is_inf(x: Float, *, positive: bool = True, negative: bool = True) -> Array:
    """Whether x is an infinity of an asked-for sign."""
    return (np.isposinf(x) & positive) | (np.isneginf(x) & negative)


def _cast(x: TensorType, *, dtype: DType) -> TensorType:
    return x.with_dtype(dtype)


def _cast_meaning(x: Array, *, dtype: DType) -> Array:
    return x if x.dtype == object else x.astype(dtype.numpy)


@op(infer=_cast, traits=_ARITHMETIC, precision=fragile("says itself which type it makes"))
def cast(x: Other, *, dtype: DType) -> Array:
    """x in another element type.

    To floats: rounded to nearest even, too large becomes an infinity. Floats to integers truncate toward zero (NaN and
    what does not fit are undefined). To bool: whether x differs from zero. Integers to narrower integers wrap around.
    """
    return _cast_meaning(x, dtype=dtype)


# -- two operands --------------------------------------------------------------------------------


@op(infer=elementwise(), traits=_SWAPPABLE | SYMBOLIC)
def add(x: Num, y: Num) -> Array:
    """x + y."""
    return np.add(x, y)


@op(infer=elementwise(), traits=_ARITHMETIC)
def sub(x: Num, y: Num) -> Array:
    """x - y."""
    return np.subtract(x, y)


@op(infer=elementwise(), traits=_SWAPPABLE | SYMBOLIC)
def mul(x: Num, y: Num) -> Array:
    """x * y."""
    return np.multiply(x, y)


@op(infer=elementwise(), traits=ELEMENTWISE, precision=cramped(_NEAR_ZERO))
def div(x: Float, y: Float) -> Array:
    """x / y."""
    return np.divide(x, y)


@op(infer=elementwise(), traits=_ARITHMETIC)
def floor_div(x: Int, y: Int) -> Array:
    """x / y rounded toward minus infinity; division by zero is undefined."""
    return np.floor_divide(x, y)


@op(infer=elementwise(), traits=ELEMENTWISE)
def trunc_div(x: Int, y: Int) -> Array:
    """x / y rounded toward zero, as in C; division by zero is undefined."""
    quotient = np.floor_divide(x, y)
    return quotient + ((np.remainder(x, y) != 0) & ((x < 0) != (y < 0)))


@op(infer=elementwise(), traits=_ARITHMETIC, precision=fragile(_STEP))
def mod(x: Num, y: Num) -> Array:
    """The remainder of floor division: it has y's sign."""
    return np.remainder(x, y)


@op(infer=elementwise(), traits=ELEMENTWISE, precision=fragile(_STEP))
def fmod(x: Num, y: Num) -> Array:
    """The remainder of truncating division, as in C: it has x's sign."""
    return np.fmod(x, y)


def _pow(x: TensorType, y: TensorType) -> TensorType:
    return x.with_shape(broadcast(x.shape, y.shape))


@op(infer=_pow, traits=ELEMENTWISE, precision=fragile("exponents multiply errors, and powers leave the range"))
def pow(x: Num, y: Other) -> Array:
    """x to the y, in x's element type; y may have another one. Integers to negative powers are undefined."""
    if x.dtype.kind in "iu" and y.dtype.kind not in "iu":
        return np.power(x.astype(np.float64), y)
    return np.power(x, y.astype(x.dtype))


@op(infer=elementwise(), traits=ELEMENTWISE)
def atan2(y: Float, x: Float) -> Array:
    """The angle of the point (x, y), in radians in [-pi, pi]."""
    return np.arctan2(y, x)


@op(infer=elementwise(), traits=_SWAPPABLE)
def minimum(x: Num, y: Num) -> Array:
    """The smaller one; NaN if either is."""
    return np.minimum(x, y)


@op(infer=elementwise(), traits=_SWAPPABLE)
def maximum(x: Num, y: Num) -> Array:
    """The larger one; NaN if either is."""
    return np.maximum(x, y)


@op(infer=predicate, traits=_SWAPPABLE)
def equal(x: Any_, y: Any_) -> Array:
    """x == y; NaN equals nothing."""
    return np.equal(x, y)


@op(infer=predicate, traits=_SWAPPABLE)
def not_equal(x: Any_, y: Any_) -> Array:
    """x != y."""
    return np.not_equal(x, y)


@op(infer=predicate, traits=ELEMENTWISE)
def less(x: Num, y: Num) -> Array:
    """x < y."""
    return np.less(x, y)


@op(infer=predicate, traits=ELEMENTWISE)
def less_equal(x: Num, y: Num) -> Array:
    """x <= y."""
    return np.less_equal(x, y)


@op(infer=predicate, traits=ELEMENTWISE)
def greater(x: Num, y: Num) -> Array:
    """x > y."""
    return np.greater(x, y)


@op(infer=predicate, traits=ELEMENTWISE)
def greater_equal(x: Num, y: Num) -> Array:
    """x >= y."""
    return np.greater_equal(x, y)


@op(infer=elementwise(), traits=_SWAPPABLE)
def logical_and(x: Bool, y: Bool) -> Array:
    """x and y."""
    return np.logical_and(x, y)


@op(infer=elementwise(), traits=_SWAPPABLE)
def logical_or(x: Bool, y: Bool) -> Array:
    """x or y."""
    return np.logical_or(x, y)


@op(infer=elementwise(), traits=_SWAPPABLE)
def logical_xor(x: Bool, y: Bool) -> Array:
    """x or y but not both."""
    return np.logical_xor(x, y)


@op(infer=elementwise(), traits=_SWAPPABLE)
def bitwise_and(x: Int, y: Int) -> Array:
    """Bits set in both."""
    return np.bitwise_and(x, y)


@op(infer=elementwise(), traits=_SWAPPABLE)
def bitwise_or(x: Int, y: Int) -> Array:
    """Bits set in either."""
    return np.bitwise_or(x, y)


@op(infer=elementwise(), traits=_SWAPPABLE)
def bitwise_xor(x: Int, y: Int) -> Array:
    """Bits set in exactly one."""
    return np.bitwise_xor(x, y)


@op(infer=elementwise(), traits=ELEMENTWISE)
def shift_left(x: Int, y: Int) -> Array:
    """x times two to the y; zero once y reaches the width."""
    return np.left_shift(x, y)


@op(infer=elementwise(), traits=ELEMENTWISE)
def shift_right(x: Int, y: Int) -> Array:
    """x shifted right by y bits: signed types keep their sign bit."""
    return np.right_shift(x, y)


# -- three operands ------------------------------------------------------------------------------


def _where(condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
    return x.with_shape(broadcast(condition.shape, x.shape, y.shape))


@op(infer=_where, traits=ELEMENTWISE)
def where(condition: Bool, x: Any_, y: Any_) -> Array:
    """x where the condition holds, else y."""
    return np.where(condition, x, y)


def _clip(x: TensorType, low: TensorType | None, high: TensorType | None) -> TensorType:
    if any(bound is not None and bound.rank for bound in (low, high)):
        raise TypeRuleError("bounds must be scalars")
    return x


@op(infer=_clip, traits=ELEMENTWISE)
def clip(x: Num, low: Num | None = None, high: Num | None = None) -> Array:
    """min(max(x, low), high) with scalar bounds, each optional; NaN stays NaN, and high wins where low > high."""
    above: Any = x if low is None else np.maximum(x, low)
    return above if high is None else np.minimum(above, high)


# -- erf -----------------------------------------------------------------------------------------


def erf_array(x: Array) -> Array:
    """erf in f64, to 1e-15: its Taylor series below 2, W. J. Cody's asymptotic continued fraction above."""
    z = np.abs(x.astype(np.float64))
    small = np.minimum(z, 2.5)
    term = small.copy()
    total = small.copy()
    for n in range(1, 60):
        term = term * (-(small * small) / n)
        total = total + term / (2 * n + 1)
    large = np.clip(z, 2.5, 27.0)
    fraction = large.copy()
    for n in range(60, 0, -1):
        fraction = large + (n / 2) / fraction
    tail = np.exp(-large * large) / (fraction * np.sqrt(np.pi))
    magnitude = np.where(z < 2.5, total * (2 / np.sqrt(np.pi)), 1 - tail)
    return np.copysign(np.where(np.isnan(z), z, magnitude), x).astype(x.dtype)
