"""Integer arithmetic from the few integer layers the engine has.

The engine adds, subtracts, multiplies and compares 32-bit and 64-bit integers, wrapping around, and divides them toward
minus infinity. 8-bit tensors are quantized numbers to it: they are computed in 32 bits and cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from isthmus.backends.tensorrt.tensors import is_carried_wide
from isthmus.ir.types import I32, I64, Array, DType

if TYPE_CHECKING:
    from isthmus.backends.tensorrt.network import Handle, Network


def in_wide(n: Network, dtype: DType, write: Callable[..., Handle], *xs: Handle) -> Handle:
    """What `write` makes of tensors of `dtype`, of which 8-bit integers are computed in i32 and wrap around."""
    if not dtype.is_integer or dtype.bits >= 32:
        return write(*xs)
    return narrow(n, write(*(n.cast(x, I32) for x in xs)), dtype)


def narrow(n: Network, x: Handle, dtype: DType) -> Handle:
    """i32 or i64 wrapped around to the values of a narrower type, as the engine carries that type."""
    if dtype.bits >= 32:
        return n.cast(x, dtype)
    modulus = 1 << dtype.bits
    low = n.elementwise("SUB", x, n.elementwise("PROD", quotient(n, x, modulus), n.number(modulus, x)))
    if dtype.kind == "int":
        above = n.elementwise("GREATER", low, n.number(modulus // 2 - 1, x))
        low = n.select(above, n.elementwise("SUB", low, n.number(modulus, x)), low)
    return n.cast(low, I32 if is_carried_wide(dtype) else dtype)


def quotient(n: Network, x: Handle, divisor: int) -> Handle:
    """x / divisor toward minus infinity."""
    return n.elementwise("FLOOR_DIV", x, n.number(divisor, x))


def floor_div(n: Network, x: Handle, y: Handle) -> Handle:
    """x / y toward minus infinity."""
    return n.elementwise("FLOOR_DIV", x, y)


def mod(n: Network, x: Handle, y: Handle) -> Handle:
    """The remainder with y's sign."""
    return n.elementwise("SUB", x, n.elementwise("PROD", floor_div(n, x, y), y))


def trunc_div(n: Network, x: Handle, y: Handle) -> Handle:
    """x / y toward zero: one more than toward minus infinity where that is negative and leaves a remainder."""
    down = floor_div(n, x, y)
    rest = n.elementwise("SUB", x, n.elementwise("PROD", down, y))
    zero = n.number(0, x)
    exact = n.elementwise("EQUAL", rest, zero)
    opposed = n.elementwise("XOR", n.elementwise("LESS", x, zero), n.elementwise("LESS", y, zero))
    inexact = n.elementwise("AND", n.unary("NOT", exact), opposed)
    return n.select(inexact, n.elementwise("SUM", down, n.number(1, x)), down)


def fmod(n: Network, x: Handle, y: Handle) -> Handle:
    """The remainder of `trunc_div`, with x's sign."""
    return n.elementwise("SUB", x, n.elementwise("PROD", trunc_div(n, x, y), y))


def power(n: Network, x: Handle, exponents: Array) -> Handle:
    """x to constant exponents that are not negative, by squaring."""
    result = n.number(1, x)
    for bit in range(int(exponents.max(initial=0)).bit_length()):
        factor = x
        takes = (exponents >> bit) & 1
        if not takes.all():
            factor = n.select(n.constant(takes.astype(np.bool_)), x, n.number(1, x))
        result = n.elementwise("PROD", result, factor)
        x = n.elementwise("PROD", x, x)
    return result


def shift_left(n: Network, x: Handle, y: Handle, width: int) -> Handle:
    """x * 2^y modulo 2^width."""
    return n.elementwise("PROD", x, _power_of_two(n, y, [_wrapped(1 << k, width) for k in range(width)] + [0]))


def shift_right(n: Network, x: Handle, y: Handle, width: int) -> Handle:
    """x / 2^y toward minus infinity, in two steps, as the largest power is no number of the type."""
    steps = [(1 << min(k, width - 2), 1 << max(k - width + 2, 0)) for k in range(width)]
    steps.append(steps[-1])
    for powers in zip(*steps, strict=True):
        x = floor_div(n, x, _power_of_two(n, y, list(powers)))
    return x


def _power_of_two(n: Network, y: Handle, table: list[int]) -> Handle:
    dtype = np.int64 if y.dtype == n.type(I64) else np.int32
    most = n.elementwise("MIN", y, n.number(len(table) - 1, y))
    return n.gather(n.constant(np.array(table, dtype)), n.elementwise("MAX", most, n.number(0, y)))


def bitwise(n: Network, x: Handle, y: Handle, operation: str, width: int) -> Handle:
    """AND, OR or XOR of the bits of two's complement, laid out along one more axis at the end."""
    dtype = np.int64 if x.dtype == n.type(I64) else np.int32
    first = [1 << min(k, width - 2) for k in range(width)]
    second = [1 << max(k - width + 2, 0) for k in range(width)]
    weights = [_wrapped(1 << k, width) for k in range(width)]
    divisors = [n.constant(np.array(each, dtype)) for each in (first, second)]

    def bits(value: Handle) -> Handle:
        value = n.unsqueeze(value, (len(value.shape),))
        for divisor in divisors:
            value = floor_div(n, value, divisor)
        even = n.elementwise("PROD", quotient(n, value, 2), n.number(2, value))
        return n.unary("NOT", n.elementwise("EQUAL", value, even))

    x, y = n.level(x, y)
    chosen = n.elementwise(operation, bits(x), bits(y))
    number = n.constant(np.array(weights, dtype))
    parts = n.select(chosen, number, n.number(0, number))
    return n.reduce("SUM", parts, (len(parts.shape) - 1,), keepdims=False)


def _wrapped(number: int, width: int) -> int:
    return number - (1 << width) if number >= 1 << (width - 1) else number
