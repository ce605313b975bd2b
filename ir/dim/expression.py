"""What a dimension is, and what is known of it: its atoms, their bounds, comparison, and division.

Division asks whether a remainder is less than the divisor, and the expressions that are compared may divide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, Union

from isthmus.ir import intervals
from isthmus.ir.dim.polynomial import Polynomial, Term
from isthmus.ir.errors import DimensionError
from isthmus.ir.intervals import Bounds
from isthmus.ir.spelling import symbol_name

MAX_DEPTH = 32
"""How deep divisions, minima and maxima may nest: text, and Python's stack, must hold them."""

MAX_SIZE = 4096
"""How many symbols an expression may spell: products and nested divisions grow exponentially in a few steps."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named size, `low <= size <= high`; `high=None` is no upper bound."""

    name: str
    low: int = 1
    high: int | None = None

    def __post_init__(self) -> None:
        if self.low < 0 or (self.high is not None and self.high < self.low):
            raise DimensionError(f"symbol {self.name} cannot lie in {self.low}..{self.high}")

    def __str__(self) -> str:
        return symbol_name(self.name)


@dataclass(frozen=True, slots=True)
class FloorDiv:
    """`numerator // divisor`, rounding toward minus infinity."""

    numerator: Dim
    divisor: Dim

    def __str__(self) -> str:
        return f"floordiv({self.numerator}, {self.divisor})"


@dataclass(frozen=True, slots=True)
class Mod:
    """`numerator % divisor`, with the divisor's sign."""

    numerator: Dim
    divisor: Dim

    def __str__(self) -> str:
        return f"mod({self.numerator}, {self.divisor})"


@dataclass(frozen=True, slots=True)
class Extremum:
    """`min(...)` or `max(...)` of dimensions none of which is known to win."""

    kind: str
    args: tuple[Dim, ...]

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.args))})"


Atom: TypeAlias = Symbol | FloorDiv | Mod | Extremum


def arguments(atom: Atom) -> tuple[Dim, ...]:
    """The dimensions an atom is computed from; none for a symbol."""
    if isinstance(atom, Symbol):
        return ()
    return atom.args if isinstance(atom, Extremum) else (atom.numerator, atom.divisor)


def _atom_size(atom: Atom) -> int:
    if isinstance(atom, Symbol):
        return 1
    return 1 + sum(0 if isinstance(d, int) else d.size for d in arguments(atom))


def _atom_depth(atom: Atom) -> int:
    if isinstance(atom, Symbol):
        return 0
    return 1 + max(0 if isinstance(d, int) else d._depth for d in arguments(atom))


def _atom_bounds(atom: Atom) -> Bounds:
    if isinstance(atom, Symbol):
        return atom.low, atom.high
    if isinstance(atom, Extremum):
        pick = intervals.minimum if atom.kind == "min" else intervals.maximum
        return pick([bounds(a) for a in atom.args])
    divide = intervals.floordiv if isinstance(atom, FloorDiv) else intervals.mod
    return divide(bounds(atom.numerator), bounds(atom.divisor))


def _power_bounds(atom: Atom, power: int) -> Bounds:
    low, high = _atom_bounds(atom)
    return (low, high) if power == 1 else intervals.product([(low, high)] * power)


class DimExpr(Polynomial[Atom]):
    """A non-constant dimension in normal form. Build with arithmetic on `symbol(...)`, never directly."""

    __slots__ = ("size",)

    def __init__(self, terms: tuple[Term[Atom], ...]) -> None:
        super().__init__(terms)
        self.size = sum(_atom_size(a) * power for monomial, _ in terms for a, power in monomial)
        if self.size > MAX_SIZE:
            raise DimensionError(f"dimension expression spells more than {MAX_SIZE} symbols")

    def __floordiv__(self, other: Dim) -> Dim:
        return floordiv(self, other)

    def __rfloordiv__(self, other: Dim) -> Dim:
        return floordiv(other, self)

    def __mod__(self, other: Dim) -> Dim:
        return mod(self, other)

    def __rmod__(self, other: Dim) -> Dim:
        return mod(other, self)

    @cached_property
    def _depth(self) -> int:
        return max((_atom_depth(a) for monomial, _ in self.terms for a, _ in monomial), default=0)

    @cached_property
    def _bounds(self) -> Bounds:
        low: int | None = 0
        high: int | None = 0
        for monomial, coefficient in self.terms:
            part = intervals.scale(intervals.product(_power_bounds(a, p) for a, p in monomial), coefficient)
            low = None if low is None or part[0] is None else low + part[0]
            high = None if high is None or part[1] is None else high + part[1]
        return low, high


Dim = Union[int, DimExpr]  # noqa: UP007 - evaluated before DimExpr supports |
Shape: TypeAlias = tuple[Dim, ...]


def single(atom: Atom) -> DimExpr:
    """The dimension that is exactly this atom."""
    if _atom_depth(atom) > MAX_DEPTH:
        raise DimensionError(f"dimension expression nests deeper than {MAX_DEPTH}")
    return DimExpr(((((atom, 1),), 1),))


def symbol(name: str, low: int = 1, high: int | None = None) -> DimExpr:
    """The dimension that is exactly the symbol `name`."""
    return single(Symbol(name, low, high))


UNKNOWN = symbol("?", 0)
"""What a type rule returns for a size that only running can tell; the builder puts a fresh symbol there."""


def as_atom(dim: Dim) -> Atom | None:
    """The atom `dim` consists of, or None when it is a number or a larger expression."""
    if isinstance(dim, int) or len(dim.terms) != 1:
        return None
    monomial, coefficient = dim.terms[0]
    if coefficient != 1 or len(monomial) != 1:
        return None
    atom, power = monomial[0]
    return atom if power == 1 else None


def bounds(dim: Dim) -> Bounds:
    """The least and the greatest value `dim` can take; None is no bound."""
    return (dim, dim) if isinstance(dim, int) else dim._bounds


def equal(a: Dim, b: Dim) -> bool | None:
    """Whether two dimensions are the same size: True, False, or None when it depends on the symbols."""
    if a == b:
        return True
    low, high = bounds(a - b)
    if (low is not None and low > 0) or (high is not None and high < 0):
        return False
    return None


def less_equal(a: Dim, b: Dim) -> bool | None:
    """Whether a <= b: True, False, or None when it depends on the symbols."""
    low, high = bounds(a - b)
    if high is not None and high <= 0:
        return True
    if low is not None and low > 0:
        return False
    return None


def floordiv(a: Dim, b: Dim) -> Dim:
    """a // b toward minus infinity, divided out as far as the normal form shows exactly."""
    if b == 0:
        raise DimensionError(f"division of {a} by zero")
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if b == 1:
        return a
    quotient, rest = DimExpr.divide(a, b)
    return quotient if _is_remainder(rest, b) else quotient + single(FloorDiv(rest, b))


def mod(a: Dim, b: Dim) -> Dim:
    """a % b with the divisor's sign."""
    if b == 0:
        raise DimensionError(f"remainder of {a} by zero")
    if isinstance(a, int) and isinstance(b, int):
        return a % b
    if b == 1:
        return 0
    _, rest = DimExpr.divide(a, b)
    return rest if _is_remainder(rest, b) else single(Mod(rest, b))


def ceildiv(a: Dim, b: Dim) -> Dim:
    """a / b rounded up."""
    return -floordiv(-a, b)


def _is_remainder(rest: Dim, divisor: Dim) -> bool:
    """Whether rest is known to be what a division by `divisor` leaves: 0, or at least 0 and less than the divisor."""
    low, high = bounds(rest)
    return rest == 0 or (low is not None and low >= 0 and high is not None and less_equal(high + 1, divisor) is True)
