"""Arithmetic, comparison, logic and casts, element by element. TensorFlow broadcasts as numpy does."""

from __future__ import annotations

from functools import reduce

import numpy as np

from isthmus.compiler.importers.lowering import Lowering, lowers
from isthmus.compiler.importers.tensorflow.args import converted
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.operands import Complex
from isthmus.compiler.importers.tensorflow.types import ComplexType
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import DType

_ONE = {
    "Abs": "abs",
    "Acos": "acos",
    "Acosh": "acosh",
    "Asin": "asin",
    "Asinh": "asinh",
    "Atan": "atan",
    "Atanh": "atanh",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Expm1": "expm1",
    "Floor": "floor",
    "Inv": "reciprocal",
    "Invert": "bitwise_not",
    "IsInf": "is_inf",
    "IsNan": "is_nan",
    "Log": "log",
    "Log1p": "log1p",
    "LogicalNot": "logical_not",
    "Neg": "neg",
    "Reciprocal": "reciprocal",
    "Rsqrt": "rsqrt",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Sqrt": "sqrt",
    "Tan": "tan",
    "Tanh": "tanh",
}
_TWO = {
    "Atan2": "atan2",
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "FloorMod": "mod",
    "Greater": "greater",
    "GreaterEqual": "greater_equal",
    "LeftShift": "shift_left",
    "Less": "less",
    "LessEqual": "less_equal",
    "LogicalAnd": "logical_and",
    "LogicalOr": "logical_or",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Mod": "fmod",
    "Pow": "pow",
    "RightShift": "shift_right",
    "TruncateMod": "fmod",
}


def _one(source: str, name: str) -> Lowering:
    @lowers(source)
    def lower(b: TfBuilder, x: Value) -> Value:
        return b.create(name, (x,)).result

    return lower


def _two(source: str, name: str) -> Lowering:
    @lowers(source)
    def lower(b: TfBuilder, x: Value, y: Value) -> Value:
        return b.create(name, (x, y)).result

    return lower


same = tuple(_one(*row) for row in _ONE.items()) + tuple(_two(*row) for row in _TWO.items())


@lowers("Add", "AddV2", "Sub")
def add(b: TfBuilder, x: Value | Complex, y: Value | Complex) -> Value | Complex:
    apply = b.sub if b.node.op == "Sub" else b.add
    if isinstance(x, Value) and isinstance(y, Value):
        return apply(x, y)
    left, right = _as_complex(x), _as_complex(y)
    return Complex(apply(left.real, right.real), apply(left.imaginary, right.imaginary))


@lowers("Mul")
def mul(b: TfBuilder, x: Value | Complex, y: Value | Complex) -> Value | Complex:
    if isinstance(x, Value) and isinstance(y, Value):
        return b.mul(x, y)
    left, right = _as_complex(x), _as_complex(y)
    return Complex(
        b.sub(b.mul(left.real, right.real), b.mul(left.imaginary, right.imaginary)),
        b.add(b.mul(left.real, right.imaginary), b.mul(left.imaginary, right.real)),
    )


@lowers("Exp")
def exp(b: TfBuilder, x: Value | Complex) -> Value | Complex:
    if isinstance(x, Value):
        return b.exp(x)
    size = b.exp(x.real)
    return Complex(b.mul(size, b.cos(x.imaginary)), b.mul(size, b.sin(x.imaginary)))


@lowers("Round", "Rint")
def round_(b: TfBuilder, x: Value) -> Value:
    """To the nearest integer, ties to even; integers stay."""
    return b.round(x) if x.dtype.is_float else x


@lowers("Square")
def square(b: TfBuilder, x: Value) -> Value:
    return b.mul(x, x)


@lowers("SquaredDifference")
def squared_difference(b: TfBuilder, x: Value, y: Value) -> Value:
    difference = b.sub(x, y)
    return b.mul(difference, difference)


@lowers("Div")
def div(b: TfBuilder, x: Value, y: Value) -> Value:
    """Integers are divided toward zero."""
    return b.div(x, y) if x.dtype.is_float else b.trunc_div(x, y)


@lowers("RealDiv")
def real_div(b: TfBuilder, x: Value, y: Value) -> Value:
    return b.div(x, y)


@lowers("TruncateDiv")
def truncate_div(b: TfBuilder, x: Value, y: Value) -> Value:
    return b.trunc_div(x, y)


@lowers("FloorDiv")
def floor_div(b: TfBuilder, x: Value, y: Value) -> Value:
    return b.floor(b.div(x, y)) if x.dtype.is_float else b.floor_div(x, y)


@lowers("DivNoNan")
def div_no_nan(b: TfBuilder, x: Value, y: Value) -> Value:
    return _unless_zero(b, y, lambda safe: b.div(x, safe))


@lowers("MulNoNan")
def mul_no_nan(b: TfBuilder, x: Value, y: Value) -> Value:
    product = b.mul(x, y)
    return b.where(b.equal(y, 0.0), b.mul(y, 0.0), product)


@lowers("Xdivy")
def xdivy(b: TfBuilder, x: Value, y: Value) -> Value:
    found = b.div(x, y)
    return b.where(b.equal(x, 0.0), 0.0, found)


@lowers("Xlogy")
def xlogy(b: TfBuilder, x: Value, y: Value) -> Value:
    return b.where(b.equal(x, 0.0), 0.0, b.mul(x, b.log(y)))


@lowers("Xlog1py")
def xlog1py(b: TfBuilder, x: Value, y: Value) -> Value:
    return b.where(b.equal(x, 0.0), 0.0, b.mul(x, b.log1p(y)))


@lowers("IsFinite")
def is_finite(b: TfBuilder, x: Value) -> Value:
    return b.logical_not(b.logical_or(b.is_nan(x), b.is_inf(x)))


@lowers("Equal", "NotEqual")
def equal_(b: TfBuilder, x: Value, y: Value, *, incompatible_shape_error: bool = True) -> Value:
    return b.equal(x, y) if b.node.op == "Equal" else b.not_equal(x, y)


@lowers("ApproximateEqual")
def approximate_equal(b: TfBuilder, x: Value, y: Value, *, tolerance: float = 1e-5) -> Value:
    return b.less(b.abs(b.sub(x, y)), tolerance)


@lowers("AddN")
def add_n(b: TfBuilder, x: Value, *xs: Value, n: int) -> Value:
    return reduce(b.add, xs, x)


@lowers("AccumulateNV2")
def accumulate_n(b: TfBuilder, x: Value, *xs: Value, n: int, shape: object = None) -> Value:
    return reduce(b.add, xs, x)


@lowers("Cast")
def cast(b: TfBuilder, x: Value | Complex, *, dst_t: object, truncate: bool = False) -> Value | Complex:
    """Between real and complex numbers an imaginary part of zero comes, or the imaginary part goes."""
    if isinstance(dst_t, ComplexType):
        zero = b.const(np.zeros((), dst_t.part.numpy))
        parts = (x.real, x.imaginary) if isinstance(x, Complex) else (x, b.full(zero, shape=x.shape))
        return Complex(*(converted(b, part, dst_t.part) for part in parts))
    assert isinstance(dst_t, DType)
    return converted(b, x.real if isinstance(x, Complex) else x, dst_t)


@lowers("Bitcast")
def bitcast(b: TfBuilder, x: Value, *, type: DType) -> Value:
    if type != x.dtype:
        raise UnsupportedModel(f"Bitcast from {x.dtype} to {type}")
    return x


@lowers("ClipByValue")
def clip_by_value(b: TfBuilder, x: Value, low: Value, high: Value) -> Value:
    if low.rank == 0 and high.rank == 0:
        return b.clip(x, low, high)
    return b.minimum(b.maximum(x, low), high)


@lowers("Select")
def select(b: TfBuilder, condition: Value, x: Value, y: Value) -> Value:
    """A vector of conditions chooses among the first dimension."""
    if condition.rank == 1 and x.rank > 1:
        condition = b.reshape(condition, shape=(condition.shape[0], *[1] * (x.rank - 1)))
    return b.where(condition, x, y)


@lowers("SelectV2")
def select_v2(b: TfBuilder, condition: Value, x: Value, y: Value) -> Value:
    return b.where(condition, x, y)


def _as_complex(x: Value | Complex) -> Complex:
    if isinstance(x, Value):
        raise MalformedModel(f"{x} stands beside a complex tensor but is real")
    return x


def _unless_zero(b: TfBuilder, y: Value, apply: object) -> Value:
    assert callable(apply)
    zero = b.equal(y, 0.0)
    found: Value = apply(b.where(zero, 1.0, y))
    return b.where(zero, 0.0, found)
