"""Elementwise mathematics."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from isthmus.backends.emitter import emits
from isthmus.backends.tensorrt import integers
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.backends.tensorrt.wide import in_f32
from isthmus.ir.graph import Node, Value
from isthmus.ir.types import BOOL, I32, Array, DType

_UNARY: Mapping[str, str] = {
    **{name: name.upper() for name in ("ceil", "floor", "round", "sqrt", "exp", "log", "erf")},
    **{name: name.upper() for name in ("sin", "cos", "tan", "asin", "acos", "atan")},
    **{name: name.upper() for name in ("sinh", "cosh", "asinh", "acosh", "atanh")},
    "reciprocal": "RECIP",
    "logical_not": "NOT",
    "is_nan": "ISNAN",
}


@emits(*_UNARY)
def unary(n: Network, x: Handle) -> Handle:
    """Ops the engine has with the same meaning: it rounds ties to even, too."""
    return n.unary(_UNARY[n.node.op.name], x)


@emits("tanh")
def tanh(n: Network, x: Handle) -> Handle:
    """The engine counts it among activations."""
    return n.activation("TANH", x)


@emits("abs")
def abs_(n: Network, x: Handle) -> Handle:
    """Unsigned values are their own magnitude."""
    if n.x.dtype.kind == "uint":
        return x
    return integers.in_wide(n, n.x.dtype, lambda y: n.unary("ABS", y), x)


@emits("neg")
def neg(n: Network, x: Handle) -> Handle:
    """Integers wrap around."""
    return integers.in_wide(n, n.x.dtype, lambda y: n.unary("NEG", y), x)


@emits("sign")
def sign(n: Network, x: Handle) -> Handle:
    """Of NaN the engine promises nothing: it is put back."""
    dtype = n.x.dtype
    if dtype.is_float:
        return n.select(n.unary("ISNAN", x), x, n.unary("SIGN", x))
    return integers.in_wide(n, dtype, lambda y: n.unary("SIGN", y), x)


@emits("rsqrt")
def rsqrt(n: Network, x: Handle) -> Handle:
    """1 / sqrt(x)."""
    return n.unary("RECIP", n.unary("SQRT", x))


@emits("expm1")
def expm1(n: Network, x: Handle) -> Handle:
    """2 * tanh(x / 2) / (1 - tanh(x / 2)), which loses no digits near zero, where |x| < 1; else exp(x) - 1."""

    def write(y: Handle) -> Handle:
        one = n.number(1, y)
        half = n.activation("TANH", n.elementwise("PROD", y, n.number(0.5, y)))
        near = n.elementwise("DIV", n.elementwise("SUM", half, half), n.elementwise("SUB", one, half))
        far = n.elementwise("SUB", n.unary("EXP", y), one)
        return n.select(n.elementwise("LESS", n.unary("ABS", y), one), near, far)

    return in_f32(n, write, x)


@emits("log1p")
def log1p(n: Network, x: Handle) -> Handle:
    """2 * atanh(x / (2 + x)), which loses no digits near zero, where |x| < 1/2; else log(1 + x)."""

    def write(y: Handle) -> Handle:
        two = n.number(2, y)
        near = n.elementwise("PROD", two, n.unary("ATANH", n.elementwise("DIV", y, n.elementwise("SUM", y, two))))
        far = n.unary("LOG", n.elementwise("SUM", y, n.number(1, y)))
        return n.select(n.elementwise("LESS", n.unary("ABS", y), n.number(0.5, y)), near, far)

    return in_f32(n, write, x)


@emits("is_inf")
def is_inf(n: Network, x: Handle, *, positive: bool, negative: bool) -> Handle:
    """The engine tells infinities; one sign of them is told by equality."""
    if positive and negative:
        return n.unary("ISINF", x)
    if not positive and not negative:
        return n.elementwise("AND", n.unary("ISINF", x), n.scalar(False, BOOL))
    return n.elementwise("EQUAL", x, n.number(np.inf if positive else -np.inf, x))


@emits("add", "sub", "mul")
def arithmetic(n: Network, x: Handle, y: Handle) -> Handle:
    """In the operands' own type."""
    operation = {"add": "SUM", "sub": "SUB", "mul": "PROD"}[n.node.op.name]
    return integers.in_wide(n, n.x.dtype, lambda a, b: n.elementwise(operation, a, b), x, y)


@emits("div")
def div(n: Network, x: Handle, y: Handle) -> Handle:
    """Floating-point division."""
    return n.elementwise("DIV", x, y)


@emits("trunc_div", "floor_div")
def integer_division(n: Network, x: Handle, y: Handle) -> Handle:
    """Both by the engine's division toward minus infinity."""
    divide = integers.trunc_div if n.node.op.name == "trunc_div" else integers.floor_div
    return integers.in_wide(n, n.x.dtype, lambda a, b: divide(n, a, b), x, y)


@emits("mod", "fmod")
def remainder(n: Network, x: Handle, y: Handle) -> Handle:
    """What a division leaves: the remainder of mod has the divisor's sign, that of fmod the dividend's."""
    name = n.node.op.name
    if n.x.dtype.is_float:
        return in_f32(n, lambda a, b: _float_remainder(n, a, b, truncating=name == "fmod"), x, y)
    exact = integers.mod if name == "mod" else integers.fmod
    return integers.in_wide(n, n.x.dtype, lambda a, b: exact(n, a, b), x, y)


def _float_remainder(n: Network, x: Handle, y: Handle, *, truncating: bool) -> Handle:
    quotient = n.elementwise("DIV", x, y)
    whole = n.unary("FLOOR", quotient)
    if truncating:
        whole = n.select(n.elementwise("LESS", quotient, n.number(0, quotient)), n.unary("CEIL", quotient), whole)
    return n.elementwise("SUB", x, n.elementwise("PROD", whole, y))


def _hard_power(node: Node) -> str | None:
    base, exponent = node.inputs
    if base.dtype.is_float:
        return None
    if exponent.array is None:
        return "integer powers are multiplied out, which needs a constant exponent"
    if _whole_exponents(exponent.array) is None:
        return "integer powers are multiplied out, which needs whole exponents in 0..63"
    return None


def _whole_exponents(array: Array) -> Array | None:
    whole = array.astype(np.int64)
    return whole if np.array_equal(whole, array) and ((whole >= 0) & (whole <= 63)).all() else None


@emits("pow", unless=_hard_power)
def power(n: Network, x: Handle, y: Handle) -> Handle:
    """Integers to a constant power are multiplied out."""
    base, exponent = n.node.inputs
    if base.dtype.is_float:
        return n.elementwise("POW", x, n.cast(y, base.dtype))
    assert exponent.array is not None
    exponents = _whole_exponents(exponent.array)
    assert exponents is not None
    return integers.in_wide(n, base.dtype, lambda a: _raised(n, a, exponents), x)


def _raised(n: Network, x: Handle, exponents: Array) -> Handle:
    """Powers have the shape both operands broadcast to, be all exponents zero."""
    result = integers.power(n, x, exponents)
    return n.broadcast(result, n.node.results[0].shape)


@emits("atan2")
def atan2(n: Network, y: Handle, x: Handle) -> Handle:
    """atan of the lesser leg over the greater one, mirrored into its octant."""
    return in_f32(n, lambda a, b: _angle(n, a, b), y, x)


def _angle(n: Network, y: Handle, x: Handle) -> Handle:
    y, x = n.level(y, x)
    zero, one, pi = (n.number(c, x) for c in (0, 1, np.pi))
    height, width = n.unary("ABS", y), n.unary("ABS", x)
    steep = n.elementwise("GREATER", height, width)
    lesser, greater = n.select(steep, width, height), n.select(steep, height, width)
    ratio = n.elementwise("DIV", lesser, greater)
    ratio = n.select(n.elementwise("EQUAL", greater, zero), zero, ratio)
    ratio = n.select(n.unary("ISINF", lesser), one, ratio)
    angle = n.unary("ATAN", ratio)
    angle = n.select(steep, n.elementwise("SUB", n.number(np.pi / 2, x), angle), angle)
    angle = n.select(_has_sign(n, x), n.elementwise("SUB", pi, angle), angle)
    angle = n.select(_has_sign(n, y), n.unary("NEG", angle), angle)
    unknown = n.elementwise("OR", n.unary("ISNAN", x), n.unary("ISNAN", y))
    return n.select(unknown, n.elementwise("SUM", x, y), angle)


def _has_sign(n: Network, x: Handle) -> Handle:
    """Whether x is negative or minus zero, whose reciprocal is minus infinity."""
    zero = n.number(0, x)
    return n.elementwise("OR", n.elementwise("LESS", x, zero), n.elementwise("LESS", n.unary("RECIP", x), zero))


@emits("minimum", "maximum")
def extremum(n: Network, x: Handle, y: Handle) -> Handle:
    """The engine's own extremum promises nothing of NaN: floats are compared and selected."""
    return lesser_or_greater(n, x, y, n.x.dtype, greatest=n.node.op.name == "maximum")


def lesser_or_greater(n: Network, x: Handle, y: Handle, dtype: DType, *, greatest: bool) -> Handle:
    """The lesser or greater of two tensors of a type, NaN where either is."""
    if dtype.is_float:
        first = n.elementwise("GREATER" if greatest else "LESS", x, y)
        return n.select(n.elementwise("OR", first, n.unary("ISNAN", x)), x, y)
    return integers.in_wide(n, dtype, lambda a, b: n.elementwise("MAX" if greatest else "MIN", a, b), x, y)


@emits("equal", "not_equal")
def equality(n: Network, x: Handle, y: Handle) -> Handle:
    """NaN equals nothing."""
    same = n.elementwise("EQUAL", *_comparable(n, x, y))
    return same if n.node.op.name == "equal" else n.unary("NOT", same)


@emits("less", "greater")
def ordering(n: Network, x: Handle, y: Handle) -> Handle:
    """False where an operand is NaN."""
    return n.elementwise(n.node.op.name.upper(), *_comparable(n, x, y))


@emits("less_equal", "greater_equal")
def loose_ordering(n: Network, x: Handle, y: Handle) -> Handle:
    """Integers: not the other way around. Floats: strictly, or equal, so that NaN is neither."""
    strict, reverse = ("LESS", "GREATER") if n.node.op.name == "less_equal" else ("GREATER", "LESS")
    x, y = _comparable(n, x, y)
    if n.x.dtype.is_integer:
        return n.unary("NOT", n.elementwise(reverse, x, y))
    return n.elementwise("OR", n.elementwise(strict, x, y), n.elementwise("EQUAL", x, y))


def _comparable(n: Network, x: Handle, y: Handle) -> tuple[Handle, Handle]:
    if n.x.dtype.is_integer and n.x.dtype.bits < 32:
        return n.cast(x, I32), n.cast(y, I32)
    return x, y


@emits("logical_and", "logical_or", "logical_xor")
def logical(n: Network, x: Handle, y: Handle) -> Handle:
    """Of booleans."""
    return n.elementwise(n.node.op.name.removeprefix("logical_").upper(), x, y)


@emits("bitwise_not")
def bitwise_not(n: Network, x: Handle) -> Handle:
    """-1 - x, which is what flipping each bit of two's complement gives."""
    return integers.in_wide(n, n.x.dtype, lambda y: n.elementwise("SUB", n.number(-1, y), y), x)


def _too_many_axes(node: Node) -> str | None:
    rank = node.results[0].rank
    return None if rank < 8 else "bits are laid out along one more axis, and the engine takes 8 axes at most"


@emits("bitwise_and", "bitwise_or", "bitwise_xor", unless=_too_many_axes)
def bitwise(n: Network, x: Handle, y: Handle) -> Handle:
    """Bit by bit: the engine's logic takes booleans only."""
    operation, dtype = n.node.op.name.removeprefix("bitwise_").upper(), n.x.dtype
    return integers.in_wide(n, dtype, lambda a, b: integers.bitwise(n, a, b, operation, dtype.bits), x, y)


@emits("shift_left", "shift_right")
def shift(n: Network, x: Handle, y: Handle) -> Handle:
    """Products with and quotients by powers of two, which are looked up."""
    dtype = n.x.dtype
    write = integers.shift_left if n.node.op.name == "shift_left" else integers.shift_right
    width = dtype.bits if dtype.kind == "int" else dtype.bits + 1
    return integers.in_wide(n, dtype, lambda a, b: write(n, a, b, width), x, y)


@emits("where")
def where(n: Network, condition: Handle, x: Handle, y: Handle) -> Handle:
    """Three-way broadcasting selection."""
    return n.select(condition, x, y)


@emits("cast")
def cast(n: Network, x: Handle, *, dtype: DType) -> Handle:
    """To bool: what differs from zero, NaN included. Integers are wrapped around to narrow types explicitly."""
    source = n.x.dtype
    if source == dtype:
        return x
    if dtype == BOOL:
        return n.unary("NOT", n.elementwise("EQUAL", *_comparable(n, x, n.number(0, x))))
    if dtype.is_integer and dtype.bits < 32 and source != BOOL:
        whole = source.is_integer and source.bits >= 32
        return integers.narrow(n, x if whole else n.cast(x, I32), dtype)
    return n.cast(x, dtype)


@emits("clip")
def clip(n: Network, x: Handle, low: Handle | None = None, high: Handle | None = None) -> Handle:
    """Constant float bounds are the engine's own activation, which it fuses into what comes before."""
    dtype = n.x.dtype
    bottom, top = (_number(v) for v in (*n.node.operands, None, None)[1:3])
    if dtype.is_float and bottom is not None and top is not None and bottom <= top:
        return n.activation("CLIP", x, bottom, top)
    above = x if low is None else lesser_or_greater(n, low, x, dtype, greatest=True)
    return above if high is None else lesser_or_greater(n, high, above, dtype, greatest=False)


def _number(value: Value | None) -> float | None:
    return None if value is None or value.array is None else float(value.array.item())
