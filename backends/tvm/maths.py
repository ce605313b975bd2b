"""Scalar mathematics as TIR expressions, for elements in the type they are computed in.

exp, log, tanh, erf and what is made of them work on vector registers in f32. Everything else, and f64, calls the C
library's functions, one element a time.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from isthmus.backends.tvm.api import functions, kind, script, tirx
from isthmus.backends.tvm.fence import fence

Expr: TypeAlias = Any


def const(number: float, like: Expr) -> Expr:
    """A number of the type (lanes included) of `like`."""
    if kind(like) == "bool":
        return truth(bool(number))
    return tirx.const(number, kind(like))


def bound(x: Expr) -> Expr:
    """A variable for what is used several times: the engine walks expressions as trees, which grow when copied."""
    if isinstance(x, tirx.IntImm | tirx.FloatImm) or kind(x).startswith("bool"):
        return x
    return script.bind(fence(x) if kind(x).startswith("float") else x)


def truth(value: bool) -> Expr:
    """A condition that is known: as a comparison, since the engine cannot repeat its own constants in a vector."""
    one = tirx.reinterpret("int32", tirx.const(1.0, "float32"))
    return tirx.NE(one, tirx.const(0, "int32")) if value else tirx.EQ(one, tirx.const(0, "int32"))


def select(condition: Expr, x: Expr, y: Expr) -> Expr:
    """x where the condition holds, else y; both are computed."""
    return tirx.Select(condition, x, y)


def libm(name: str, *xs: Expr) -> Expr:
    """A function of the C library. Kernels that call one are not vectorized."""
    suffix = "" if kind(xs[0]) == "float64" else "f"
    return tirx.call_pure_extern(kind(xs[0]), name + suffix, *xs)


def negated(x: Expr) -> Expr:
    """Whether a condition does not hold. (The engine's own "not" loses the lanes of what it is made of.)"""
    return tirx.EQ(x.astype("int8"), tirx.const(0, "int8"))


def is_nan(x: Expr) -> Expr:
    """Whether x is NaN: by its bits, since comparisons may be simplified away."""
    if kind(x) == "float64":
        magnitude = tirx.reinterpret("uint64", x) & tirx.const((1 << 63) - 1, "uint64")
        return magnitude > tirx.const(0x7FF << 52, "uint64")
    magnitude = tirx.reinterpret("uint32", x) & tirx.const(0x7FFFFFFF, "uint32")
    return magnitude > tirx.const(0x7F800000, "uint32")


def maximum(x: Expr, y: Expr) -> Expr:
    """The larger one; NaN if either is."""
    if not kind(x).startswith("float"):
        return select(x > y, x, y)
    return select(x >= y, x, select(y > x, y, x + y))


def minimum(x: Expr, y: Expr) -> Expr:
    """The smaller one; NaN if either is."""
    if not kind(x).startswith("float"):
        return select(x < y, x, y)
    return select(x <= y, x, select(y < x, y, x + y))


def magnitude(x: Expr) -> Expr:
    """|x|; the least signed integer stays itself."""
    if kind(x).startswith("float"):
        return tirx.abs(x)
    return x if kind(x).startswith("uint") else select(x < const(0, x), ~x + const(1, x), x)


def nearest(x: Expr) -> Expr:
    """The nearest integer, ties to even: what is left of x beside a number that has no room for a fraction."""
    from_here = 2.0**52 if kind(x) == "float64" else 2.0**23
    far = bound(select(x < const(0, x), const(-from_here, x), const(from_here, x)))
    return select(tirx.abs(x) < const(from_here, x), (x + far) - far, x)


def exp(x: Expr) -> Expr:
    """e to the x."""
    return functions.exp(x) if kind(x) == "float32" else libm("exp", x)


def log(x: Expr) -> Expr:
    """The natural logarithm."""
    return functions.log(x) if kind(x) == "float32" else libm("log", x)


def tanh(x: Expr) -> Expr:
    """Hyperbolic tangent."""
    return functions.tanh(x) if kind(x) == "float32" else libm("tanh", x)


def erf(x: Expr) -> Expr:
    """The error function."""
    return functions.erf(x) if kind(x) == "float32" else libm("erf", x)


def sigmoid(x: Expr) -> Expr:
    """1 / (1 + exp(-x)), without overflow."""
    if kind(x) == "float32":
        return functions.sigmoid(x)
    one = const(1, x)
    tail = bound(exp(const(0, x) - magnitude(x)))
    return select(x < const(0, x), tail, one) / (one + tail)
