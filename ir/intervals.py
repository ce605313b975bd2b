"""Arithmetic on integer intervals: the bounds of dimension expressions. None is no bound on that side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Bounds: TypeAlias = tuple[int | None, int | None]
"""The least and the greatest value, both included."""


def product(parts: Iterable[Bounds]) -> Bounds:
    """Bounds of a product of values within `parts`."""
    low: int | None = 1
    high: int | None = 1
    for b_low, b_high in parts:
        if low is not None and b_low is not None and low >= 0 and b_low >= 0:
            low, high = low * b_low, None if high is None or b_high is None else high * b_high
        elif None in (low, high, b_low, b_high):
            low = high = None
        else:
            corners = [x * y for x in (low, high) for y in (b_low, b_high) if x is not None and y is not None]
            low, high = min(corners), max(corners)
    return low, high


def scale(part: Bounds, factor: int) -> Bounds:
    """Bounds of a multiple."""
    low, high = (None if x is None else x * factor for x in part)
    return (low, high) if factor >= 0 else (high, low)


def minimum(parts: Sequence[Bounds]) -> Bounds:
    """Bounds of the least of several values."""
    lows, highs = [low for low, _ in parts if low is not None], [high for _, high in parts if high is not None]
    return min(lows) if len(lows) == len(parts) else None, min(highs, default=None)


def maximum(parts: Sequence[Bounds]) -> Bounds:
    """Bounds of the greatest of several values."""
    lows, highs = [low for low, _ in parts if low is not None], [high for _, high in parts if high is not None]
    return max(lows, default=None), max(highs) if len(highs) == len(parts) else None


def floordiv(numerator: Bounds, divisor: Bounds) -> Bounds:
    """Bounds of a quotient rounded down; none are known unless the divisor is positive."""
    (low, high), (least, greatest) = numerator, divisor
    if least is None or least <= 0:
        return None, None
    smallest = None if low is None else low // least if low < 0 else _far(low, greatest)
    largest = None if high is None else high // least if high >= 0 else _far(high, greatest)
    return smallest, largest


def mod(numerator: Bounds, divisor: Bounds) -> Bounds:
    """Bounds of a remainder; none are known unless the divisor is positive."""
    least, greatest = divisor
    if least is None or least <= 0:
        return None, None
    return 0, None if greatest is None else greatest - 1


def _far(number: int, greatest: int | None) -> int:
    """The quotient by the greatest divisor; 0 bounds it where that has no bound."""
    return 0 if greatest is None else number // greatest
