"""Arithmetic, rounding and casts, element by element. Operands are promoted as torch promotes them."""

from __future__ import annotations

import math
from typing import Any

from isthmus.compiler.importers.torch.args import cast, common_dtype, floated, promoted, tensor
from isthmus.compiler.importers.torch.builder import Number, Scalar, TorchBuilder
from isthmus.compiler.importers.torch.comparison import signbit
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL


@aten("abs", "absolute")
def abs_(b: TorchBuilder, x: Value) -> Value:
    return x if x.dtype.kind in ("uint", "bool") else b.abs(x)


@aten("neg", "negative")
def neg(b: TorchBuilder, x: Value) -> Value:
    return b.neg(x)


@aten("sign", "sgn")
def sign(b: TorchBuilder, x: Value) -> Value:
    return b.sign(x)


@aten("copysign")
def copysign(b: TorchBuilder, x: Value, other: Scalar) -> Value:
    """The magnitude of x with the sign of the other."""
    dtype = b.wanted_dtype()
    size = b.abs(tensor(b, x, dtype))
    return b.where(signbit(b, tensor(b, other, dtype)), b.neg(size), size)


@aten("angle")
def angle(b: TorchBuilder, x: Value) -> Value:
    """Of a number without imaginary part: pi where it is negative, else 0."""
    x = floated(b, x)
    found = b.where(b.less(x, 0.0), math.pi, b.const(0.0, x.dtype))
    return b.where(b.is_nan(x), x, found)


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


@aten("atan2", "arctan2")
def atan2(b: TorchBuilder, x: Value, other: Value) -> Value:
    dtype = b.wanted_dtype()
    return b.atan2(cast(b, x, dtype), cast(b, other, dtype))


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
