"""Arithmetic, comparison, logic and casts, element by element."""

from __future__ import annotations

from functools import partial, reduce
from typing import Any, Literal

import numpy as np

from isthmus.compiler.importers.lowering import Lowering, lowers
from isthmus.compiler.importers.onnx.args import broadcast_from, scalar
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.onnx.types import dtype_from
from isthmus.ir import ops
from isthmus.ir.dim import bounds
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BF16, BOOL, F8E4M3, F8E5M2, F16, F32, DType

_F32 = np.finfo(np.float32)

_SAME = {
    "Abs": "abs",
    "Acos": "acos",
    "Acosh": "acosh",
    "Asin": "asin",
    "Asinh": "asinh",
    "Atan": "atan",
    "Atanh": "atanh",
    "BitwiseAnd": "bitwise_and",
    "BitwiseNot": "bitwise_not",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "GreaterOrEqual": "greater_equal",
    "IsNaN": "is_nan",
    "LessOrEqual": "less_equal",
    "Log": "log",
    "MatMul": "matmul",
    "Mish": "mish",
    "Neg": "neg",
    "NonZero": "non_zero",
    "Not": "logical_not",
    "Reciprocal": "reciprocal",
    "Relu": "relu",
    "Round": "round",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Sqrt": "sqrt",
    "Tan": "tan",
    "Tanh": "tanh",
    "Where": "where",
}
"""Source ops that are one op of the table, operand for operand and without attributes."""

_BROADCASTING = {
    "Add": "add",
    "Sub": "sub",
    "Mul": "mul",
    "Pow": "pow",
    "Equal": "equal",
    "Less": "less",
    "Greater": "greater",
    "And": "logical_and",
    "Or": "logical_or",
    "Xor": "logical_xor",
}
"""The same, but with attributes for broadcasting before operator set 7."""


def _same(source: str, name: str) -> Lowering:
    op = ops.find(name)

    def build(b: OnnxBuilder, *xs: Value) -> Any:
        return b.create(op, xs).results

    return Lowering((source,), 1, build, len(op.operands), len(op.operands), {})


def _broadcasting(source: str, name: str) -> tuple[Lowering, Lowering]:
    op = ops.find(name)

    def build(b: OnnxBuilder, x: Value, y: Value) -> Value:
        return b.create(op, (x, y)).result

    def build_old(b: OnnxBuilder, x: Value, y: Value, *, axis: int | None = None, broadcast: bool = False) -> Value:
        return b.create(op, (x, broadcast_from(b, x, y, axis, broadcast))).result

    return lowers(source, since=7)(build), lowers(source)(build_old)


same = tuple(_same(source, name) for source, name in _SAME.items())
broadcasting = tuple(row for source, name in _BROADCASTING.items() for row in _broadcasting(source, name))


@lowers("Div")
def div(b: OnnxBuilder, x: Value, y: Value, *, axis: int | None = None, broadcast: bool = False) -> Value:
    """Integers are divided toward zero; floor_div says the same of what is not negative, and keeps shapes symbolic."""
    y = broadcast_from(b, x, y, axis, broadcast)
    if not x.dtype.is_integer:
        return b.div(x, y)
    if _at_least(b, x, 0) and _at_least(b, y, 1):
        return b.floor_div(x, y)
    return b.trunc_div(x, y)


@lowers("Mod")
def mod(b: OnnxBuilder, x: Value, y: Value, *, fmod: bool = False) -> Value:
    return b.fmod(x, y) if fmod else b.mod(x, y)


@lowers("BitShift")
def bit_shift(b: OnnxBuilder, x: Value, y: Value, *, direction: Literal["LEFT", "RIGHT"]) -> Value:
    return b.shift_left(x, y) if direction == "LEFT" else b.shift_right(x, y)


@lowers("Max")
def maximum(b: OnnxBuilder, x: Value, *xs: Value) -> Value:
    return reduce(b.maximum, xs, x)


@lowers("Min")
def minimum(b: OnnxBuilder, x: Value, *xs: Value) -> Value:
    return reduce(b.minimum, xs, x)


@lowers("Sum")
def total(b: OnnxBuilder, x: Value, *xs: Value) -> Value:
    return reduce(b.add, xs, x)


@lowers("Mean")
def mean(b: OnnxBuilder, x: Value, *xs: Value) -> Value:
    return b.div(total(b, x, *xs), float(1 + len(xs))) if xs else x


@lowers("IsInf")
def is_inf(b: OnnxBuilder, x: Value, *, detect_negative: bool = True, detect_positive: bool = True) -> Value:
    return b.is_inf(x, positive=detect_positive, negative=detect_negative)


@lowers("Clip", since=11)
def clip(b: OnnxBuilder, x: Value, low: Value | None = None, high: Value | None = None) -> Value:
    if low is None and high is None:
        return x
    return b.clip(x, *(bound and scalar(b, bound) for bound in (low, high)))


@lowers("Clip")
def clip_by_attributes(
    b: OnnxBuilder, x: Value, *, min: float = float(_F32.min), max: float = float(_F32.max)
) -> Value:
    """The defaults are f32's limits: no bounds at all for that type and narrower ones."""
    low = None if min <= _F32.min else min
    high = None if max >= _F32.max else max
    return x if low is None and high is None else b.clip(x, low, high)


_ONNX_DTYPES = partial(dtype_from, what="the type to cast to")
_LARGEST = {F8E4M3: 448.0, F8E5M2: 57344.0}


@lowers("Cast")
def cast(b: OnnxBuilder, x: Value, *, to: int, saturate: bool = True, round_mode: str = "up") -> Value:
    return _cast(b, x, _ONNX_DTYPES(to), saturate)


@lowers("CastLike")
def cast_like(b: OnnxBuilder, x: Value, y: Value, *, saturate: bool = True, round_mode: str = "up") -> Value:
    return _cast(b, x, y.dtype, saturate)


@lowers("BitCast", since=26)
def bit_cast(b: OnnxBuilder, x: Value, *, to: int) -> Value:
    """The same bits read as another type of as many: of integers, which wrap around when cast."""
    dtype = _ONNX_DTYPES(to)
    if x.dtype == dtype:
        return x
    if len({8 if each == BOOL else each.bits for each in (x.dtype, dtype)}) > 1:
        raise MalformedModel(f"BitCast of {x.dtype} to {dtype}: their sizes differ")
    if not dtype.is_integer or not (x.dtype.is_integer or x.dtype == BOOL):
        raise UnsupportedModel(f"BitCast of {x.dtype} to {dtype}: only integers are read as other integers")
    return b.cast(x, dtype=dtype)


def _cast(b: OnnxBuilder, x: Value, dtype: DType, saturate: bool) -> Value:
    if x.dtype == dtype:
        return x
    limit = _LARGEST.get(dtype)
    if limit is not None and saturate and x.dtype.is_float:
        if x.dtype not in (F32, F16, BF16):
            x = b.cast(x, dtype=F32)
        x = b.clip(x, -limit, limit)
    return b.cast(x, dtype=dtype)


def _at_least(b: OnnxBuilder, x: Value, limit: int) -> bool:
    sizes = b.sizes(x)
    if sizes is None:
        return False
    lows = [bounds(d)[0] for d in sizes]
    return all(low is not None and low >= limit for low in lows)
