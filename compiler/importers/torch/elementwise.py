"""Arithmetic, comparison, logic and casts, element by element. Operands are promoted as torch promotes them."""

from __future__ import annotations

import math
from typing import Any

from isthmus.compiler.importers.torch.args import cast, common_dtype, floated, promoted, tensor, truth
from isthmus.compiler.importers.torch.builder import Number, Scalar, TorchBuilder
from isthmus.compiler.importers.torch.schema import AtenLowering, aten
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL

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

_COMPARISONS = {
    ("eq",): "equal",
    ("ne", "not_equal"): "not_equal",
    ("lt", "less"): "less",
    ("le", "less_equal"): "less_equal",
    ("gt", "greater"): "greater",
    ("ge", "greater_equal"): "greater_equal",
}

_LOGIC = {"logical_and": "logical_and", "logical_or": "logical_or", "logical_xor": "logical_xor"}

_BITS = {
    ("bitwise_and", "__and__"): ("bitwise_and", "logical_and"),
    ("bitwise_or", "__or__"): ("bitwise_or", "logical_or"),
    ("bitwise_xor", "__xor__"): ("bitwise_xor", "logical_xor"),
}
"""ATen ops that are one op on integers and another one on truth values."""


def _float_unary(name: str) -> AtenLowering[Value]:
    @aten(*((name, f"arc{name[1:]}") if name in _ARC else (name,)))
    def unary(b: TorchBuilder, x: Value) -> Value:
        found: Value = b.create(name, (floated(b, x),)).result
        return found

    return unary


def _comparison(sources: tuple[str, ...], name: str) -> AtenLowering[Value]:
    @aten(*sources)
    def compare(b: TorchBuilder, x: Value, other: Scalar) -> Value:
        if name not in ("equal", "not_equal") and common_dtype(x, other) == BOOL:
            raise UnsupportedModel(f"{sources[0]} of truth values")
        return b.create(name, promoted(b, x, other)).result

    return compare


def _logic(source: str, name: str) -> AtenLowering[Value]:
    @aten(source)
    def logic(b: TorchBuilder, x: Value, other: Scalar) -> Value:
        return b.create(name, (truth(b, x), truth(b, other))).result

    return logic


def _bits(sources: tuple[str, ...], names: tuple[str, str]) -> AtenLowering[Value]:
    @aten(*sources)
    def bitwise(b: TorchBuilder, x: Scalar, other: Scalar) -> Value:
        left, right = promoted(b, x, other)
        return b.create(names[left.dtype == BOOL], (left, right)).result

    return bitwise


float_unary = tuple(_float_unary(name) for name in _FLOAT_UNARY.split())
comparisons = tuple(_comparison(sources, name) for sources, name in _COMPARISONS.items())
logics = tuple(_logic(source, name) for source, name in _LOGIC.items())
bits = tuple(_bits(sources, names) for sources, names in _BITS.items())


@aten("abs", "absolute")
def abs_(b: TorchBuilder, x: Value) -> Value:
    return x if x.dtype.kind in ("uint", "bool") else b.abs(x)


@aten("neg", "negative")
def neg(b: TorchBuilder, x: Value) -> Value:
    return b.neg(x)


@aten("sign", "sgn")
def sign(b: TorchBuilder, x: Value) -> Value:
    return b.sign(x)


@aten("ceil")
def ceil(b: TorchBuilder, x: Value) -> Value:
    return b.ceil(x) if x.dtype.is_float else x


@aten("floor")
def floor(b: TorchBuilder, x: Value) -> Value:
    return b.floor(x) if x.dtype.is_float else x


@aten("round")
def round_(b: TorchBuilder, x: Value, decimals: int = 0) -> Value:
    if not x.dtype.is_float:
        return x
    if decimals == 0:
        return b.round(x)
    scale = 10.0 ** abs(decimals)
    return b.div(b.round(b.mul(x, scale)), scale) if decimals > 0 else b.mul(b.round(b.div(x, scale)), scale)


@aten("trunc", "fix")
def trunc(b: TorchBuilder, x: Value) -> Value:
    return b.where(b.less(x, 0.0), b.ceil(x), b.floor(x)) if x.dtype.is_float else x


@aten("frac")
def frac(b: TorchBuilder, x: Value) -> Value:
    return b.sub(x, trunc(b, x))


@aten("square")
def square(b: TorchBuilder, x: Value) -> Value:
    return b.mul(x, x)


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
    series = b.const(_ERFC[-1], x.dtype)
    for coefficient in reversed(_ERFC[:-1]):
        series = b.add(b.mul(series, t), coefficient)
    tail = b.mul(t, b.exp(b.sub(series, b.mul(x, x))))
    return b.where(b.greater(x, 0.5), tail, b.sub(1.0, b.erf(x)))


@aten("logit")
def logit(b: TorchBuilder, x: Value, eps: float | None = None) -> Value:
    x = floated(b, x)
    x = x if eps is None else b.clip(x, eps, 1 - eps)
    return b.log(b.div(x, b.sub(1.0, x)))


@aten("isnan")
def isnan(b: TorchBuilder, x: Value) -> Value:
    return b.is_nan(x) if x.dtype.is_float else b.full(b.const(False), shape=x.shape)


@aten("isinf")
def isinf(b: TorchBuilder, x: Value) -> Value:
    return b.is_inf(x) if x.dtype.is_float else b.full(b.const(False), shape=x.shape)


@aten("isfinite")
def isfinite(b: TorchBuilder, x: Value) -> Value:
    if not x.dtype.is_float:
        return b.full(b.const(True), shape=x.shape)
    return b.logical_not(b.logical_or(b.is_nan(x), b.is_inf(x)))


@aten("nan_to_num")
def nan_to_num(
    b: TorchBuilder, x: Value, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Value:
    if not x.dtype.is_float:
        return x
    limits = _largest(x)
    found = b.where(b.is_nan(x), 0.0 if nan is None else nan, x)
    found = b.where(b.is_inf(x, negative=False), limits if posinf is None else posinf, found)
    return b.where(b.is_inf(x, positive=False), -limits if neginf is None else neginf, found)


@aten("logical_not")
def logical_not(b: TorchBuilder, x: Value) -> Value:
    return b.logical_not(truth(b, x))


@aten("bitwise_not")
def bitwise_not(b: TorchBuilder, x: Value) -> Value:
    return b.logical_not(x) if x.dtype == BOOL else b.bitwise_not(x)


@aten("bitwise_left_shift", "__lshift__")
def shift_left(b: TorchBuilder, x: Scalar, other: Scalar) -> Value:
    return b.shift_left(*promoted(b, x, other))


@aten("bitwise_right_shift", "__rshift__")
def shift_right(b: TorchBuilder, x: Scalar, other: Scalar) -> Value:
    return b.shift_right(*promoted(b, x, other))


@aten("add")
def add(b: TorchBuilder, x: Scalar, other: Scalar, alpha: Number = 1) -> Value:
    left, right = promoted(b, x, other)
    if left.dtype == BOOL:
        return b.logical_or(left, right)
    return b.add(left, right if alpha == 1 else b.mul(right, tensor(b, alpha, right.dtype)))


@aten("sub", "subtract")
def sub(b: TorchBuilder, x: Scalar, other: Scalar, alpha: Number = 1) -> Value:
    left, right = promoted(b, x, other)
    return b.sub(left, right if alpha == 1 else b.mul(right, tensor(b, alpha, right.dtype)))


@aten("rsub")
def rsub(b: TorchBuilder, x: Scalar, other: Scalar, alpha: Number = 1) -> Value:
    return sub(b, other, x, alpha)


@aten("mul", "multiply")
def mul(b: TorchBuilder, x: Scalar, other: Scalar) -> Value:
    left, right = promoted(b, x, other)
    return b.logical_and(left, right) if left.dtype == BOOL else b.mul(left, right)


@aten("div", "divide", "true_divide")
def div(b: TorchBuilder, x: Scalar, other: Scalar, rounding_mode: str | None = None) -> Value:
    if rounding_mode == "floor":
        return floor_divide(b, x, other)
    if rounding_mode == "trunc":
        left, right = promoted(b, x, other)
        return trunc(b, b.div(left, right)) if left.dtype.is_float else b.trunc_div(left, right)
    dtype = b.wanted_dtype()
    return b.div(tensor(b, x, dtype), tensor(b, other, dtype))


@aten("floor_divide")
def floor_divide(b: TorchBuilder, x: Scalar, other: Scalar) -> Value:
    left, right = promoted(b, x, other)
    return b.floor(b.div(left, right)) if left.dtype.is_float else b.floor_div(left, right)


@aten("remainder")
def remainder(b: TorchBuilder, x: Scalar, other: Scalar) -> Value:
    return b.mod(*promoted(b, x, other))


@aten("fmod")
def fmod(b: TorchBuilder, x: Scalar, other: Scalar) -> Value:
    return b.fmod(*promoted(b, x, other))


@aten("pow")
def pow_(b: TorchBuilder, x: Scalar, exponent: Scalar) -> Value:
    dtype = common_dtype(x, exponent)
    base = tensor(b, x, dtype)
    if isinstance(exponent, int | float) and not isinstance(exponent, bool):
        if exponent == 1:
            return base
        if exponent == 2:
            return b.mul(base, base)
        if exponent == 0.5 and dtype.is_float:
            return b.sqrt(base)
        if exponent == -0.5 and dtype.is_float:
            return b.rsqrt(base)
    return b.pow(base, tensor(b, exponent, dtype))


@aten("fmax")
def fmax(b: TorchBuilder, x: Value, other: Value) -> Value:
    """A NaN counts as nothing."""
    return _without_nan(b, maximum(b, x, other), x, other)


@aten("fmin")
def fmin(b: TorchBuilder, x: Value, other: Value) -> Value:
    return _without_nan(b, minimum(b, x, other), x, other)


@aten("maximum", "max.other")
def maximum(b: TorchBuilder, x: Value, other: Value) -> Value:
    left, right = promoted(b, x, other)
    return b.logical_or(left, right) if left.dtype == BOOL else b.maximum(left, right)


@aten("minimum", "min.other")
def minimum(b: TorchBuilder, x: Value, other: Value) -> Value:
    left, right = promoted(b, x, other)
    return b.logical_and(left, right) if left.dtype == BOOL else b.minimum(left, right)


@aten("atan2", "arctan2")
def atan2(b: TorchBuilder, x: Value, other: Value) -> Value:
    dtype = b.wanted_dtype()
    return b.atan2(cast(b, x, dtype), cast(b, other, dtype))


@aten("where.self", "where.ScalarSelf", "where.ScalarOther", "where.Scalar")
def where(b: TorchBuilder, x: Value, self: Scalar, other: Scalar) -> Value:
    left, right = promoted(b, self, other)
    return b.where(truth(b, x), left, right)


@aten("masked_fill")
def masked_fill(b: TorchBuilder, x: Value, mask: Value, value: Scalar) -> Value:
    return b.where(mask, tensor(b, value, x.dtype), x)


@aten("clamp", "clip")
def clamp(b: TorchBuilder, x: Value, min: Scalar | None = None, max: Scalar | None = None) -> Value:
    given = [each for each in (min, max) if each is not None]
    dtype = common_dtype(x, *given)
    x = cast(b, x, dtype)
    low, high = (None if each is None else tensor(b, each, dtype) for each in (min, max))
    if (low is None or low.rank == 0) and (high is None or high.rank == 0):
        return b.clip(x, low, high)
    x = x if low is None else b.maximum(x, low)
    return x if high is None else b.minimum(x, high)


@aten("clamp_min")
def clamp_min(b: TorchBuilder, x: Value, min: Scalar) -> Value:
    return clamp(b, x, min)


@aten("clamp_max")
def clamp_max(b: TorchBuilder, x: Value, max: Scalar) -> Value:
    return clamp(b, x, None, max)


@aten("lerp")
def lerp(b: TorchBuilder, x: Value, end: Value, weight: Scalar) -> Value:
    return b.add(x, b.mul(tensor(b, weight, x.dtype), b.sub(end, x)))


@aten("addcmul")
def addcmul(b: TorchBuilder, x: Value, tensor1: Value, tensor2: Value, value: Number = 1) -> Value:
    return add(b, x, mul(b, tensor1, tensor2), value)


@aten("addcdiv")
def addcdiv(b: TorchBuilder, x: Value, tensor1: Value, tensor2: Value, value: Number = 1) -> Value:
    return add(b, x, b.div(tensor1, tensor2), value)


@aten("hypot")
def hypot(b: TorchBuilder, x: Value, other: Value) -> Value:
    return b.sqrt(b.add(b.mul(x, x), b.mul(other, other)))


@aten("_to_copy", "to", "type_as")
def to(b: TorchBuilder, x: Value, dtype: Any = None, other: Value | None = None) -> Value:
    return cast(b, x, b.wanted_dtype())


def _without_nan(b: TorchBuilder, found: Value, x: Value, other: Value) -> Value:
    """`found`, and where one operand is NaN the other one."""
    if not found.dtype.is_float:
        return found
    left, right = promoted(b, x, other)
    return b.where(b.is_nan(left), right, b.where(b.is_nan(right), left, found))


def _largest(x: Value) -> float:
    import ml_dtypes

    return float(ml_dtypes.finfo(x.dtype.numpy).max)
