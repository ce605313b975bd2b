"""The symbols of a dimension, and what it is once they are known, or are other dimensions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

from isthmus.ir.dim.expression import (
    Atom,
    Dim,
    Extremum,
    FloorDiv,
    Symbol,
    arguments,
    as_atom,
    floordiv,
    mod,
    single,
)
from isthmus.ir.dim.reductions import maximum, minimum, product
from isthmus.ir.errors import DimensionError

Bindings: TypeAlias = Mapping[str, int]
"""Symbol name -> size."""


def as_symbol(dim: Dim) -> Symbol | None:
    """The symbol `dim` consists of, or None when it is a number or a larger expression."""
    atom = as_atom(dim)
    return atom if isinstance(atom, Symbol) else None


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


def _atom_symbols(atom: Atom) -> frozenset[Symbol]:
    if isinstance(atom, Symbol):
        return frozenset((atom,))
    return frozenset().union(*map(symbols, arguments(atom)))


def _atom_value(atom: Atom, bindings: Bindings) -> int:
    if isinstance(atom, Symbol):
        if atom.name not in bindings:
            raise DimensionError(f"no size is known for symbol {atom.name}")
        return bindings[atom.name]
    values = [resolve(a, bindings) for a in arguments(atom)]
    if isinstance(atom, Extremum):
        return min(values) if atom.kind == "min" else max(values)
    numerator, divisor = values
    if divisor == 0:
        raise DimensionError(f"{atom} divides by zero")
    return numerator // divisor if isinstance(atom, FloorDiv) else numerator % divisor


def _atom_substitute(atom: Atom, replacements: Mapping[str, Dim]) -> Dim:
    if isinstance(atom, Symbol):
        return replacements.get(atom.name, single(atom))
    args = [substitute(a, replacements) for a in arguments(atom)]
    if isinstance(atom, Extremum):
        return minimum(*args) if atom.kind == "min" else maximum(*args)
    return floordiv(*args) if isinstance(atom, FloorDiv) else mod(*args)
