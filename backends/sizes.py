"""Dimensions at run time: how a symbolic size becomes a computation on the shapes of values.

A symbol is read from a value whose shape shows it, plainly or as `a * symbol + b`. What an engine adds is its own
integer arithmetic on vectors of one i64, and what to do about a symbol that no value in sight shows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from isthmus.ir.dim import Atom, Dim, DimExpr, Extremum, FloorDiv, Mod, Shape, Symbol, less_equal
from isthmus.ir.errors import BackendFailed
from isthmus.ir.graph import Value

T = TypeVar("T")


class Arithmetic(ABC, Generic[T]):
    """Integer arithmetic of an engine on i64 vectors of one element."""

    @abstractmethod
    def vector(self, numbers: Sequence[int]) -> T:
        """A constant of any length."""

    @abstractmethod
    def concat(self, parts: Sequence[T]) -> T:
        """One vector of several."""

    @abstractmethod
    def size(self, value: T, axis: int) -> T:
        """How many elements a value has along an axis."""

    @abstractmethod
    def add(self, a: T, b: T) -> T:
        """A sum."""

    @abstractmethod
    def subtract(self, a: T, b: T) -> T:
        """A difference."""

    @abstractmethod
    def multiply(self, a: T, b: T) -> T:
        """A product."""

    @abstractmethod
    def divide(self, a: T, b: T) -> T:
        """A quotient that is known to leave no remainder."""

    @abstractmethod
    def floor_div(self, a: T, b: T) -> T:
        """A quotient rounded down."""

    @abstractmethod
    def mod(self, a: T, b: T) -> T:
        """A remainder with the divisor's sign."""

    @abstractmethod
    def minimum(self, a: T, b: T) -> T:
        """The lesser."""

    @abstractmethod
    def maximum(self, a: T, b: T) -> T:
        """The greater."""

    def outside(self, symbol: Symbol) -> T:
        """A symbol that no value of this graph shows. BackendFailed unless the engine has another place to ask."""
        raise BackendFailed(f"no value's shape shows the size {symbol}", hint="make it a dimension of an input")


class Sizes(Generic[T]):
    """Where the sizes of one graph come from."""

    def __init__(self, arithmetic: Arithmetic[T]) -> None:
        self._arithmetic = arithmetic
        self._sources: dict[Symbol, tuple[T, int, int, int]] = {}
        self._computed: dict[Atom, T] = {}

    def learn(self, value: Value, handle: T) -> None:
        """Remember which symbols the value's shape shows."""
        for axis, dim in enumerate(value.shape):
            if (found := _linear(dim)) is not None and found[0] not in self._sources:
                self._sources[found[0]] = (handle, axis, found[1], found[2])

    def vector(self, dims: Sequence[Dim]) -> T:
        """An i64 vector of the dimensions."""
        if all(isinstance(d, int) for d in dims):
            return self._arithmetic.vector([d for d in dims if isinstance(d, int)])
        parts = [self._one(d) for d in dims]
        return parts[0] if len(parts) == 1 else self._arithmetic.concat(parts)

    def _one(self, dim: Dim) -> T:
        do = self._arithmetic
        if isinstance(dim, int):
            return do.vector([dim])
        total: T | None = None
        for monomial, coefficient in dim.terms:
            part: T | None = None
            for atom, power in monomial:
                for _ in range(power):
                    factor = self._atom(atom)
                    part = factor if part is None else do.multiply(part, factor)
            if part is None:
                part = do.vector([coefficient])
            elif coefficient != 1:
                part = do.multiply(part, do.vector([coefficient]))
            total = part if total is None else do.add(total, part)
        assert total is not None, "a symbolic dimension has a term"
        return total

    def _atom(self, atom: Atom) -> T:
        if atom not in self._computed:
            self._computed[atom] = self._symbol(atom) if isinstance(atom, Symbol) else self._compound(atom)
        return self._computed[atom]

    def _compound(self, atom: Extremum | FloorDiv | Mod) -> T:
        do = self._arithmetic
        if isinstance(atom, Extremum):
            pick = do.minimum if atom.kind == "min" else do.maximum
            result = self._one(atom.args[0])
            for each in atom.args[1:]:
                result = pick(result, self._one(each))
            return result
        divide = do.floor_div if isinstance(atom, FloorDiv) else do.mod
        return divide(self._one(atom.numerator), self._one(atom.divisor))

    def _symbol(self, symbol: Symbol) -> T:
        do = self._arithmetic
        if symbol not in self._sources:
            return do.outside(symbol)
        handle, axis, factor, offset = self._sources[symbol]
        size = do.size(handle, axis)
        if offset:
            size = do.subtract(size, do.vector([offset]))
        return size if factor == 1 else do.divide(size, do.vector([factor]))


def reshape_pattern(before: Shape, after: Shape) -> list[int] | None:
    """`after` as numbers with 0 for "as before" and -1 for "what remains"; None if that is not enough."""
    if any(less_equal(1, d) is not True for d in (*before, *after)):
        return None
    pattern = []
    for i, dim in enumerate(after):
        if isinstance(dim, int):
            pattern.append(dim)
        else:
            pattern.append(0 if i < len(before) and before[i] == dim else -1)
    return pattern if pattern.count(-1) <= 1 else None


def _linear(dim: Dim) -> tuple[Symbol, int, int] | None:
    """(symbol, a, b) where `dim` is a * symbol + b with a > 0, else None."""
    if not isinstance(dim, DimExpr):
        return None
    terms = [(m, c) for m, c in dim.terms if m]
    if len(terms) != 1:
        return None
    (monomial, factor) = terms[0]
    (atom, power), *more = monomial
    if more or power != 1 or not isinstance(atom, Symbol) or factor < 1:
        return None
    return atom, factor, sum(c for m, c in dim.terms if not m)
