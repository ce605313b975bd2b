"""Exact integer arithmetic on an engine that divides, compares and reduces integers in f32.

Everything here works on i32 (what the CPU plugin carries i64 in, too), whatever the element type is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.ir.types import I32, DType

if TYPE_CHECKING:
    from isthmus.backends.openvino.network import Handle, Network

_LOW = 0xFFFF


def widen(n: Network, x: Handle, dtype: DType) -> Handle:
    """x in i32 where its own type is narrower."""
    return n.cast(x, I32) if dtype.bits < 32 else x


def narrow(n: Network, x: Handle, dtype: DType) -> Handle:
    """x, computed in i32, wrapped around to a narrower type. (The plugin carries 16 bits in i32: cut them here.)"""
    if dtype.bits >= 32:
        return x
    if dtype.name == "u16":
        x = n.ops.bitwise_and(x, n.scalar(_LOW, I32))
    elif dtype.name == "i16":
        sixteen = n.scalar(16, I32)
        x = n.ops.bitwise_right_shift(n.ops.bitwise_left_shift(x, sixteen), sixteen)
    return n.cast(x, dtype)


def number(n: Network, value: int, like: Handle) -> Handle:
    """A scalar of the element type of an emitted value."""
    return n.ops.constant(value, like.get_element_type())


def is_zero(n: Network, x: Handle) -> Handle:
    """x == 0, exactly: no integer but zero rounds to zero."""
    return n.ops.equal(x, number(n, 0, x))


def equal(n: Network, x: Handle, y: Handle) -> Handle:
    """x == y: the difference wraps around but is zero only for equals."""
    return is_zero(n, n.ops.subtract(x, y))


def less(n: Network, x: Handle, y: Handle) -> Handle:
    """x < y by halves, each of which f32 holds."""
    (x_high, x_low), (y_high, y_low) = halves(n, x), halves(n, y)
    tie = n.ops.logical_and(n.ops.equal(x_high, y_high), n.ops.less(x_low, y_low))
    return n.ops.logical_or(n.ops.less(x_high, y_high), tie)


def choose(n: Network, condition: Handle, x: Handle, y: Handle) -> Handle:
    """x where the condition holds, else y, by masking bits: a select fused to a comparison goes through f32."""
    mask = n.ops.subtract(number(n, 0, x), n.ops.convert(condition, x.get_element_type().to_string()))
    return n.ops.bitwise_or(n.ops.bitwise_and(x, mask), n.ops.bitwise_and(y, n.ops.bitwise_not(mask)))


def halves(n: Network, x: Handle) -> tuple[Handle, Handle]:
    """The upper 16 bits with the sign, and the lower 16 bits without."""
    return n.ops.bitwise_right_shift(x, number(n, 16, x)), n.ops.bitwise_and(x, number(n, _LOW, x))


def join(n: Network, high: Handle, low: Handle) -> Handle:
    """The inverse of `halves`."""
    return n.ops.bitwise_or(n.ops.bitwise_left_shift(high, number(n, 16, high)), low)


def trunc_div(n: Network, x: Handle, y: Handle) -> Handle:
    """x / y toward zero: an f32 quotient, twice corrected by the quotient of what remains, then by one."""
    quotient = n.ops.divide(x, y)
    for _ in range(2):
        rest = n.ops.subtract(x, n.ops.multiply(quotient, y))
        quotient = n.ops.add(quotient, n.ops.divide(rest, y))
    rest = n.ops.subtract(x, n.ops.multiply(quotient, y))
    one, zero = number(n, 1, x), number(n, 0, x)
    opposed = n.ops.logical_and(n.ops.logical_not(is_zero(n, rest)), n.ops.less(n.ops.bitwise_xor(rest, x), zero))
    toward = choose(n, n.ops.less(n.ops.bitwise_xor(x, y), zero), number(n, -1, x), one)
    return n.ops.subtract(quotient, choose(n, opposed, toward, zero))


def fmod(n: Network, x: Handle, y: Handle) -> Handle:
    """The remainder of trunc_div."""
    return n.ops.subtract(x, n.ops.multiply(trunc_div(n, x, y), y))


def mod(n: Network, x: Handle, y: Handle) -> Handle:
    """The remainder with y's sign."""
    rest = fmod(n, x, y)
    return choose(n, _opposed(n, rest, y), n.ops.add(rest, y), rest)


def floor_div(n: Network, x: Handle, y: Handle) -> Handle:
    """x / y toward minus infinity."""
    quotient = trunc_div(n, x, y)
    rest = n.ops.subtract(x, n.ops.multiply(quotient, y))
    return choose(n, _opposed(n, rest, y), n.ops.subtract(quotient, number(n, 1, x)), quotient)


def _opposed(n: Network, rest: Handle, y: Handle) -> Handle:
    signs = n.ops.less(n.ops.bitwise_xor(rest, y), number(n, 0, rest))
    return n.ops.logical_and(n.ops.logical_not(is_zero(n, rest)), signs)
