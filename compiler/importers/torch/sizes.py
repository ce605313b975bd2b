"""torch's symbolic sizes (sympy expressions) as dimensions of the IR."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import reduce
from typing import Any, TypeAlias

import sympy
import torch

from isthmus.ir.dim import Dim, Shape, ceildiv, floordiv, less_equal, maximum, minimum, mod
from isthmus.ir.errors import UnsupportedModel

Ratio: TypeAlias = tuple[Dim, int]
"""numerator / denominator, the denominator positive."""

_LARGEST_DENOMINATOR = 1 << 12


class Sizes:
    """Translates sizes. What torch calls s77 is the symbol a user named, or one that a lowering made."""

    def __init__(self, symbols: Mapping[Any, Dim] = {}) -> None:
        self._symbols = dict(symbols)

    def define(self, symbol: Any, dim: Dim) -> None:
        """Let torch's `symbol` mean `dim`, unless it has a meaning already."""
        self._symbols.setdefault(symbol, dim)

    def knows(self, symbol: Any) -> bool:
        """Whether torch's `symbol` has a meaning."""
        return symbol in self._symbols

    def dim(self, size: Any) -> Dim:
        """An int or SymInt as a dimension. UnsupportedModel where it depends on data, or on arithmetic the IR lacks."""
        if isinstance(size, int):
            return size
        return self.expression(size.node.expr)

    def shape(self, tensor: Any) -> Shape:
        """The sizes of a (fake) tensor."""
        return tuple(map(self.dim, tensor.shape))

    def expression(self, expr: Any) -> Dim:
        """A sympy expression with an integer value as a dimension."""
        numerator, denominator = self._ratio(expr)
        if denominator == 1:
            return numerator
        return floordiv(numerator, denominator)  # exact: torch calls nothing an integer that leaves a rest

    def ratio(self, number: Any) -> Ratio:
        """A float or SymFloat as a ratio of a dimension and an integer."""
        return self._ratio(number.node.expr if isinstance(number, torch.SymFloat) else sympy.sympify(number))

    def _ratio(self, expr: Any) -> Ratio:
        if isinstance(expr, sympy.Symbol):
            if expr not in self._symbols:
                raise UnsupportedModel(f"the size {expr} depends on the data, not on input shapes")
            return self._symbols[expr], 1
        if isinstance(expr, sympy.Integer):
            return int(expr), 1
        if isinstance(expr, sympy.Number):
            return _simple(float(expr))
        rule = _RULES.get(type(expr).__name__)
        if rule is None:
            raise UnsupportedModel(f"sizes are computed by {type(expr).__name__}, in {expr}, which the IR lacks")
        return rule(*map(self._ratio, expr.args))


def _simple(number: float) -> Ratio:
    fraction = Fraction(number).limit_denominator(_LARGEST_DENOMINATOR)
    if float(fraction) != number:
        raise UnsupportedModel(f"a size is multiplied by {number}, which is no simple fraction")
    return fraction.numerator, fraction.denominator


def _add(*parts: Ratio) -> Ratio:
    return reduce(lambda a, c: _reduced(a[0] * c[1] + c[0] * a[1], a[1] * c[1]), parts)


def _multiply(*parts: Ratio) -> Ratio:
    return reduce(lambda a, c: _reduced(a[0] * c[0], a[1] * c[1]), parts)


def _reduced(numerator: Dim, denominator: int) -> Ratio:
    if denominator > 1 and mod(numerator, denominator) == 0:
        return floordiv(numerator, denominator), 1
    return numerator, denominator


def _power(base: Ratio, exponent: Ratio) -> Ratio:
    if exponent[1] == 1 and isinstance(count := exponent[0], int):
        if count >= 0:
            return _multiply((1, 1), *[base] * count)
        return _multiply((1, 1), *[_divide((1, 1), base)] * -count)
    raise UnsupportedModel("a size is raised to a power that is no integer")


def _divide(a: Ratio, b: Ratio) -> Ratio:
    if isinstance(b[0], int):
        sign = -1 if b[0] < 0 else 1
        return _reduced(a[0] * b[1] * sign, a[1] * abs(b[0]))
    numerator, divisor = a[0] * b[1], b[0] * a[1]
    if mod(numerator, divisor) == 0:
        return floordiv(numerator, divisor), 1
    raise UnsupportedModel(f"a size is divided by the symbolic {b[0]}")


def _floor(a: Ratio) -> Ratio:
    return floordiv(*a), 1


def _trunc(a: Ratio) -> Ratio:
    if less_equal(0, a[0]) is not True:
        raise UnsupportedModel(f"{a[0]} is truncated and may be negative")
    return _floor(a)


def _integers(function: Callable[..., Dim]) -> Callable[..., Ratio]:
    """A rule on dimensions, for ratios of one denominator."""

    def rule(*parts: Ratio) -> Ratio:
        if any(part[1] != 1 for part in parts):
            raise UnsupportedModel("sizes that are no integers are compared or divided with a rest")
        return function(*(part[0] for part in parts)), 1

    return rule


_RULES: dict[str, Callable[..., Ratio]] = {
    "Add": _add,
    "Mul": _multiply,
    "Pow": _power,
    "PowByNatural": _power,
    "FloatPow": _power,
    "ToFloat": lambda a: a,
    "FloorDiv": lambda a, b: (
        _floor(_divide(a, b)) if isinstance(b[0], int) else (floordiv(a[0] * b[1], b[0] * a[1]), 1)
    ),
    "CleanDiv": _integers(floordiv),
    "CeilDiv": _integers(ceildiv),
    "IntTrueDiv": _divide,
    "FloatTrueDiv": _divide,
    "Mod": _integers(mod),
    "PythonMod": _integers(mod),
    "Max": _integers(maximum),
    "Min": _integers(minimum),
    "ModularIndexing": _integers(lambda a, b, c: mod(floordiv(a, b), c)),
    "FloorToInt": _floor,
    "floor": _floor,
    "TruncToInt": _trunc,
    "CeilToInt": lambda a: (ceildiv(*a), 1),
    "ceiling": lambda a: (ceildiv(*a), 1),
    "Identity": lambda a: a,
}
"""torch's and sympy's functions on sizes (torch/utils/_sympy/functions.py) by name."""
