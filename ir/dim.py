"""Dimensions: integers, or integer expressions over named symbols, in a normal form.

A dimension is an `int` or a `DimExpr`: a sum of products of atoms with integer coefficients, where an atom is a
`Symbol`, a floor division, a remainder, a minimum or a maximum. Arithmetic normalises at once, so `==` on two
expressions is a proof of equality when it holds and says nothing when it does not; `equal` and `less_equal`
answer True, False or None (unknown).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, Union

from isthmus.ir import intervals
from isthmus.ir.errors import DimensionError
from isthmus.ir.intervals import Bounds
from isthmus.ir.spelling import symbol_name

MAX_TERMS = 256
"""Longest sum an expression may grow to: hostile models multiply sums until memory ends."""

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
Monomial: TypeAlias = tuple[tuple[Atom, int], ...]


def _atom_size(atom: Atom) -> int:
    if isinstance(atom, Symbol):
        return 1
    args = atom.args if isinstance(atom, Extremum) else (atom.numerator, atom.divisor)
    return 1 + sum(0 if isinstance(d, int) else d.size for d in args)


class DimExpr:
    """A non-constant dimension in normal form. Build with arithmetic on `symbol(...)`, never directly."""

    __slots__ = ("__dict__", "_hash", "size", "terms")

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        self.size = sum(_atom_size(a) * power for monomial, _ in terms for a, power in monomial)
        if self.size > MAX_SIZE:
            raise DimensionError(f"dimension expression spells more than {MAX_SIZE} symbols")
        self._hash = hash(terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, DimExpr) and self._hash == other._hash and self.terms == other.terms)

    def __add__(self, other: Dim) -> Dim:
        return _from_terms([*self.terms, *_terms(other)])

    def __sub__(self, other: Dim) -> Dim:
        return _from_terms([*self.terms, *((m, -c) for m, c in _terms(other))])

    def __rsub__(self, other: Dim) -> Dim:
        return _from_terms([*_terms(other), *((m, -c) for m, c in self.terms)])

    def __mul__(self, other: Dim) -> Dim:
        others = _terms(other)
        if len(self.terms) * len(others) > MAX_TERMS:
            raise DimensionError(f"dimension expression grows beyond {MAX_TERMS} terms")
        return _from_terms([(_times(m, n), c * d) for m, c in self.terms for n, d in others])

    def __neg__(self) -> Dim:
        return _from_terms([(m, -c) for m, c in self.terms])

    def __floordiv__(self, other: Dim) -> Dim:
        return floordiv(self, other)

    def __rfloordiv__(self, other: Dim) -> Dim:
        return floordiv(other, self)

    def __mod__(self, other: Dim) -> Dim:
        return mod(self, other)

    def __rmod__(self, other: Dim) -> Dim:
        return mod(other, self)

    __radd__ = __add__
    __rmul__ = __mul__

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            body = _monomial_text(monomial, abs(coefficient))
            sign = "-" if coefficient < 0 else "+"
            text = f"{text} {sign} {body}" if text else f"-{body}" if coefficient < 0 else body
        return text

    @cached_property
    def _depth(self) -> int:
        return max((_atom_depth(a) for monomial, _ in self.terms for a, _ in monomial), default=0)

    @cached_property
    def _bounds(self) -> Bounds:
        low: int | None = 0
        high: int | None = 0
        for monomial, coefficient in self.terms:
            part = intervals.scale(intervals.product(_atom_bounds(a, p) for a, p in monomial), coefficient)
            low = None if low is None or part[0] is None else low + part[0]
            high = None if high is None or part[1] is None else high + part[1]
        return low, high


Dim = Union[int, DimExpr]  # noqa: UP007 - evaluated before DimExpr supports |
Shape: TypeAlias = tuple[Dim, ...]
Bindings: TypeAlias = Mapping[str, int]


def symbol(name: str, low: int = 1, high: int | None = None) -> DimExpr:
    """The dimension that is exactly the symbol `name`."""
    return DimExpr(((((Symbol(name, low, high), 1),), 1),))


UNKNOWN = symbol("?", 0)
"""What a type rule returns for a size that only running can tell; the builder puts a fresh symbol there."""


def as_symbol(dim: Dim) -> Symbol | None:
    """The symbol `dim` consists of, or None when it is a number or a larger expression."""
    if isinstance(dim, int) or len(dim.terms) != 1:
        return None
    monomial, coefficient = dim.terms[0]
    if coefficient != 1 or len(monomial) != 1:
        return None
    atom, power = monomial[0]
    return atom if power == 1 and isinstance(atom, Symbol) else None


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
    quotient, rest = _divide(a, b)
    if rest == 0:
        return quotient
    low, high = bounds(rest)
    if low is not None and low >= 0 and high is not None and less_equal(high + 1, b):
        return quotient
    return quotient + _of(FloorDiv(rest, b))


def mod(a: Dim, b: Dim) -> Dim:
    """a % b with the divisor's sign."""
    if b == 0:
        raise DimensionError(f"remainder of {a} by zero")
    if isinstance(a, int) and isinstance(b, int):
        return a % b
    if b == 1:
        return 0
    _, rest = _divide(a, b)
    low, high = bounds(rest)
    if low is not None and low >= 0 and high is not None and less_equal(high + 1, b):
        return rest
    return rest if rest == 0 else _of(Mod(rest, b))


def ceildiv(a: Dim, b: Dim) -> Dim:
    """a / b rounded up."""
    return -floordiv(-a, b)


def minimum(*dims: Dim) -> Dim:
    """The least of the dimensions; drops those that are known to lose."""
    return _extremum("min", dims)


def maximum(*dims: Dim) -> Dim:
    """The greatest of the dimensions; drops those that are known to lose."""
    return _extremum("max", dims)


def product(dims: Iterable[Dim]) -> Dim:
    """The product of the dimensions; 1 for none."""
    total: Dim = 1
    for dim in dims:
        total = total * dim
    return total


def symbols(dim: Dim) -> frozenset[Symbol]:
    """Every symbol that occurs in `dim`."""
    if isinstance(dim, int):
        return frozenset()
    return frozenset().union(*(_atom_symbols(a) for m, _ in dim.terms for a, _ in m))


def resolve(dim: Dim, bindings: Bindings) -> int:
    """The integer `dim` is under `bindings` (symbol name -> size)."""
    if isinstance(dim, int):
        return dim
    return sum(c * math.prod(_atom_value(a, bindings) ** p for a, p in monomial) for monomial, c in dim.terms)


def substitute(dim: Dim, replacements: Mapping[str, Dim]) -> Dim:
    """`dim` with the named symbols replaced by dimensions."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for monomial, coefficient in dim.terms:
        part: Dim = coefficient
        for atom, power in monomial:
            part = part * product([_atom_substitute(atom, replacements)] * power)
        total = total + part
    return total


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    return dim.terms if isinstance(dim, DimExpr) else (((), int(dim)),)


def _from_terms(parts: Iterable[tuple[Monomial, int]]) -> Dim:
    sums: dict[Monomial, int] = {}
    for monomial, coefficient in parts:
        sums[monomial] = sums.get(monomial, 0) + coefficient
    kept = {m: c for m, c in sums.items() if c}
    if len(kept) > MAX_TERMS:
        raise DimensionError(f"dimension expression grows beyond {MAX_TERMS} terms")
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    return DimExpr(tuple(sorted(kept.items(), key=_term_order)))


def _term_order(term: tuple[Monomial, int]) -> tuple[int, str]:
    """Higher degree first, the constant last, ties by text: the order people write polynomials in."""
    monomial = term[0]
    return -sum(p for _, p in monomial), _monomial_text(monomial, 1)


def _times(a: Monomial, b: Monomial) -> Monomial:
    if not a or not b:
        return a or b
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: str(item[0])))


def _of(atom: Atom) -> DimExpr:
    if _atom_depth(atom) > MAX_DEPTH:
        raise DimensionError(f"dimension expression nests deeper than {MAX_DEPTH}")
    return DimExpr(((((atom, 1),), 1),))


def _divide(a: Dim, b: Dim) -> tuple[Dim, Dim]:
    """(q, r) with a == q * b + r exactly: polynomial long division over the integers."""
    lead, scale = _terms(b)[0]
    quotient: Dim = 0
    rest: Dim = 0
    for _ in range(MAX_TERMS):
        if a == 0:
            break
        (monomial, coefficient), *_ = _terms(a)
        power = _monomial_quotient(monomial, lead)
        whole = coefficient // scale if isinstance(b, int) or coefficient % scale == 0 else None
        if power is None or not whole:
            rest, a = rest + _from_terms([(monomial, coefficient)]), a - _from_terms([(monomial, coefficient)])
            continue
        step = _from_terms([(power, whole)])
        quotient, a = quotient + step, a - step * b
        if isinstance(b, int) and coefficient % scale:
            left = _from_terms([(monomial, coefficient % scale)])
            rest, a = rest + left, a - left
    return quotient, rest + a


def _monomial_quotient(a: Monomial, b: Monomial) -> Monomial | None:
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) - power
        if powers[atom] < 0:
            return None
    return tuple((atom, power) for atom, power in powers.items() if power)


def _extremum(kind: str, dims: tuple[Dim, ...]) -> Dim:
    flat: dict[Dim, None] = {}
    for dim in dims:
        inner = _as_extremum(dim, kind)
        flat.update(dict.fromkeys(inner or (dim,)))
    kept = list(flat)
    for dim in list(flat):
        others = [o for o in kept if o is not dim]
        beaten = (less_equal(o, dim) if kind == "min" else less_equal(dim, o) for o in others)
        if any(beaten):
            kept.remove(dim)
    return kept[0] if len(kept) == 1 else _of(Extremum(kind, tuple(sorted(kept, key=str))))


def _as_extremum(dim: Dim, kind: str) -> tuple[Dim, ...] | None:
    if isinstance(dim, int) or len(dim.terms) != 1:
        return None
    monomial, coefficient = dim.terms[0]
    if coefficient != 1 or len(monomial) != 1 or monomial[0][1] != 1:
        return None
    atom = monomial[0][0]
    return atom.args if isinstance(atom, Extremum) and atom.kind == kind else None


def _atom_depth(atom: Atom) -> int:
    if isinstance(atom, Symbol):
        return 0
    args = atom.args if isinstance(atom, Extremum) else (atom.numerator, atom.divisor)
    return 1 + max(0 if isinstance(d, int) else d._depth for d in args)


def _atom_bounds(atom: Atom, power: int) -> Bounds:
    low, high = _single_bounds(atom)
    if power == 1:
        return low, high
    return intervals.product([(low, high)] * power)


def _single_bounds(atom: Atom) -> Bounds:
    if isinstance(atom, Symbol):
        return atom.low, atom.high
    if isinstance(atom, Extremum):
        pick = intervals.minimum if atom.kind == "min" else intervals.maximum
        return pick([bounds(a) for a in atom.args])
    divide = intervals.floordiv if isinstance(atom, FloorDiv) else intervals.mod
    return divide(bounds(atom.numerator), bounds(atom.divisor))


def _atom_symbols(atom: Atom) -> frozenset[Symbol]:
    if isinstance(atom, Symbol):
        return frozenset((atom,))
    if isinstance(atom, Extremum):
        return frozenset().union(*map(symbols, atom.args))
    return symbols(atom.numerator) | symbols(atom.divisor)


def _atom_value(atom: Atom, bindings: Bindings) -> int:
    if isinstance(atom, Symbol):
        if atom.name not in bindings:
            raise DimensionError(f"no size is known for symbol {atom.name}")
        return bindings[atom.name]
    if isinstance(atom, Extremum):
        values = [resolve(a, bindings) for a in atom.args]
        return min(values) if atom.kind == "min" else max(values)
    numerator, divisor = resolve(atom.numerator, bindings), resolve(atom.divisor, bindings)
    if divisor == 0:
        raise DimensionError(f"{atom} divides by zero")
    return numerator // divisor if isinstance(atom, FloorDiv) else numerator % divisor


def _atom_substitute(atom: Atom, replacements: Mapping[str, Dim]) -> Dim:
    if isinstance(atom, Symbol):
        return replacements.get(atom.name, _of(atom))
    if isinstance(atom, Extremum):
        return _extremum(atom.kind, tuple(substitute(a, replacements) for a in atom.args))
    divide = floordiv if isinstance(atom, FloorDiv) else mod
    return divide(substitute(atom.numerator, replacements), substitute(atom.divisor, replacements))


def _monomial_text(monomial: Monomial, coefficient: int) -> str:
    factors = [] if coefficient == 1 and monomial else [str(coefficient)]
    for atom, power in monomial:
        factors += [str(atom)] * power
    return "*".join(factors)
