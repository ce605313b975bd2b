"""Integer arithmetic that wraps around and never stops the process.

Sums and products are computed unsigned, as the compiler takes signed overflow to be impossible, and differences as the
sum with the complement, as it takes 0 - x to be 0 for unsigned x. A bound that it knows of one type's values passes
through a cast to another type but not through `reinterpret`.

The engine tells LLVM that unsigned sums and products of 32 bits and more do not wrap around either. Nothing follows
from that as long as LLVM knows neither operand: constants of the graph are memory (`Network.constant`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from isthmus.backends.tvm.api import kind, tirx
from isthmus.backends.tvm.maths import const, select

Expr: TypeAlias = Any


def is_float(x: Expr) -> bool:
    """Whether an element is computed in floating point."""
    return kind(x).startswith("float")


def is_signed(x: Expr) -> bool:
    """Whether an element is a signed integer."""
    return kind(x).startswith("int")


def width(x: Expr) -> int:
    """The bits of an integer."""
    return int("".join(c for c in kind(x) if c.isdigit()))


def wrapping(function: Callable[[Expr, Expr], Expr], x: Expr, y: Expr) -> Expr:
    """A sum or product; floats as they are."""
    if not is_signed(x):
        return function(x, y)
    return as_signed(function(as_unsigned(x), as_unsigned(y)))


def as_unsigned(x: Expr) -> Expr:
    """The same bits."""
    if not is_signed(x):
        return x
    if isinstance(x, tirx.IntImm):  # the engine takes a zero that is reinterpreted for a null pointer
        return tirx.const(int(x.value) % (1 << width(x)), f"u{kind(x)}")
    return tirx.reinterpret(f"u{kind(x)}", x)


def as_signed(x: Expr) -> Expr:
    """The same bits."""
    return x if is_signed(x) else tirx.reinterpret(kind(x).removeprefix("u"), x)


def converted(x: Expr, target: str) -> Expr:
    """An integer in another integer type: cut, or extended by its sign."""
    if target.startswith("u"):
        return as_unsigned(as_signed(x).astype(target.removeprefix("u"))) if is_signed(x) else x.astype(target)
    return x.astype(target) if is_signed(x) else as_signed(x.astype(f"u{target}"))


def add(x: Expr, y: Expr) -> Expr:
    """x + y."""
    return wrapping(lambda a, b: a + b, x, y)


def sub(x: Expr, y: Expr) -> Expr:
    """x - y."""
    if is_float(x):
        return x - y
    return wrapping(lambda a, b: a + (~b + const(1, b)), x, y)


def mul(x: Expr, y: Expr) -> Expr:
    """x * y."""
    return wrapping(lambda a, b: a * b, x, y)


def trunc_div(x: Expr, y: Expr) -> Expr:
    """x / y rounded toward zero. The processor is kept from what it stops at: 0, and -1 below the least integer."""
    if not is_signed(x):
        return tirx.truncdiv(x, _divisor(y))
    minus = tirx.EQ(y, const(-1, y))
    return select(minus, sub(const(0, x), x), tirx.truncdiv(x, select(minus, const(1, y), _divisor(y))))


def fmod(x: Expr, y: Expr) -> Expr:
    """The remainder of trunc_div."""
    if not is_signed(x):
        return tirx.truncmod(x, _divisor(y))
    minus = tirx.EQ(y, const(-1, y))
    return select(minus, const(0, x), tirx.truncmod(x, select(minus, const(1, y), _divisor(y))))


def mod(x: Expr, y: Expr) -> Expr:
    """The remainder of floor_div."""
    rest = fmod(x, y)
    if not is_signed(x):
        return rest
    return select(_is_across(rest, y), rest + y, rest)


def floor_div(x: Expr, y: Expr) -> Expr:
    """x / y rounded toward minus infinity."""
    quotient = trunc_div(x, y)
    if not is_signed(x):
        return quotient
    return select(_is_across(fmod(x, y), y), quotient - const(1, x), quotient)


def _is_across(rest: Expr, y: Expr) -> Expr:
    return tirx.all(tirx.NE(rest, const(0, rest)), differ(rest < const(0, rest), y < const(0, y)))


def differ(x: Expr, y: Expr) -> Expr:
    """Whether one of two conditions holds."""
    return tirx.NE(x.astype("int8"), y.astype("int8"))


def _divisor(y: Expr) -> Expr:
    return select(tirx.EQ(y, const(0, y)), const(1, y), y)
