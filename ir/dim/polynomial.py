"""Sums of products of factors with integer coefficients, in a normal form: two are the same sum if they are equal.

Each product stands once, with a coefficient other than 0 and its factors in the order of their text. A sum without
factors is a plain `int`, so arithmetic takes and gives `int | Self`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import cached_property
from typing import Generic, Self, TypeAlias, TypeVar

from isthmus.ir.errors import DimensionError

MAX_TERMS = 256
"""Longest sum an expression may grow to: hostile models multiply sums until memory ends."""

F = TypeVar("F", bound=Hashable)

Monomial: TypeAlias = tuple[tuple[F, int], ...]
"""A product: its factors, each with its power."""
Term: TypeAlias = tuple[Monomial[F], int]
"""A product and its coefficient."""


class Polynomial(Generic[F]):
    """A sum that is no plain number, in normal form. Made by arithmetic; `terms` as they are taken on trust."""

    __slots__ = ("__dict__", "_hash", "terms")

    def __init__(self, terms: tuple[Term[F], ...]) -> None:
        self.terms = terms
        self._hash = hash(terms)

    @classmethod
    def sum_of(cls, terms: Iterable[Term[F]]) -> int | Self:
        """The sum of any terms, or DimensionError for more than MAX_TERMS that are left."""
        sums: dict[Monomial[F], int] = {}
        for monomial, coefficient in terms:
            sums[monomial] = sums.get(monomial, 0) + coefficient
        kept = {m: c for m, c in sums.items() if c}
        if len(kept) > MAX_TERMS:
            raise DimensionError(f"dimension expression grows beyond {MAX_TERMS} terms")
        if not kept:
            return 0
        if len(kept) == 1:
            return kept[()] if () in kept else cls(tuple(kept.items()))
        return cls(tuple(sorted(kept.items(), key=_place)))

    @classmethod
    def divide(cls, a: int | Self, b: int | Self) -> tuple[int | Self, int | Self]:
        """(q, r) with a == q * b + r exactly: polynomial long division over the integers. b is not 0."""
        lead, scale = _terms(b)[0]
        quotient: int | Self = 0
        rest: int | Self = 0
        for _ in range(MAX_TERMS):
            if a == 0:
                break
            (monomial, coefficient), *_ = _terms(a)
            power = _quotient(monomial, lead)
            whole = coefficient // scale if isinstance(b, int) or coefficient % scale == 0 else None
            if power is None or not whole:
                first = cls.sum_of([(monomial, coefficient)])
                rest, a = rest + first, a - first
                continue
            step = cls.sum_of([(power, whole)])
            quotient, a = quotient + step, a - step * b
            if isinstance(b, int) and coefficient % scale:
                left = cls.sum_of([(monomial, coefficient % scale)])
                rest, a = rest + left, a - left
        return quotient, rest + a

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Polynomial) and self._hash == other._hash and self.terms == other.terms
        )

    def __add__(self, other: int | Self) -> int | Self:
        return self.sum_of([*self.terms, *_terms(other)])

    def __sub__(self, other: int | Self) -> int | Self:
        return self.sum_of([*self.terms, *((m, -c) for m, c in _terms(other))])

    def __rsub__(self, other: int | Self) -> int | Self:
        return self.sum_of([*_terms(other), *((m, -c) for m, c in self.terms)])

    def __mul__(self, other: int | Self) -> int | Self:
        others = _terms(other)
        if len(self.terms) * len(others) > MAX_TERMS:
            raise DimensionError(f"dimension expression grows beyond {MAX_TERMS} terms")
        return self.sum_of([(_product(m, n), c * d) for m, c in self.terms for n, d in others])

    def __neg__(self) -> int | Self:
        return self.sum_of([(m, -c) for m, c in self.terms])

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
            body = _spelled(monomial, abs(coefficient))
            sign = "-" if coefficient < 0 else "+"
            text = f"{text} {sign} {body}" if text else f"-{body}" if coefficient < 0 else body
        return text


def _terms(x: int | Polynomial[F]) -> tuple[Term[F], ...]:
    return x.terms if isinstance(x, Polynomial) else (((), int(x)),)


def _place(term: Term[F]) -> tuple[int, str]:
    """Higher degree first, the constant last, ties by text: the order people write polynomials in."""
    monomial = term[0]
    return -sum(p for _, p in monomial), _spelled(monomial, 1)


def _product(a: Monomial[F], b: Monomial[F]) -> Monomial[F]:
    if not a or not b:
        return a or b
    powers = dict(a)
    for factor, power in b:
        powers[factor] = powers.get(factor, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: str(item[0])))


def _quotient(a: Monomial[F], b: Monomial[F]) -> Monomial[F] | None:
    powers = dict(a)
    for factor, power in b:
        powers[factor] = powers.get(factor, 0) - power
        if powers[factor] < 0:
            return None
    return tuple((factor, power) for factor, power in powers.items() if power)


def _spelled(monomial: Monomial[F], coefficient: int) -> str:
    factors = [] if coefficient == 1 and monomial else [str(coefficient)]
    for factor, power in monomial:
        factors += [str(factor)] * power
    return "*".join(factors)
