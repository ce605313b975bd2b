"""Dimensions: integers, or integer expressions over named symbols, in a normal form.

A dimension is an `int` or a `DimExpr`: a sum of products of atoms with integer coefficients, where an atom is a
`Symbol`, a floor division, a remainder, a minimum or a maximum. Arithmetic normalises at once, so `==` on two
expressions is a proof of equality when it holds and says nothing when it does not; `equal` and `less_equal`
answer True, False or None (unknown).
"""

from isthmus.ir.dim.bindings import Bindings, as_symbol, resolve, substitute, symbols
from isthmus.ir.dim.expression import (
    MAX_DEPTH,
    MAX_SIZE,
    UNKNOWN,
    Atom,
    Dim,
    DimExpr,
    Extremum,
    FloorDiv,
    Mod,
    Shape,
    Symbol,
    bounds,
    ceildiv,
    equal,
    floordiv,
    less_equal,
    mod,
    symbol,
)
from isthmus.ir.dim.polynomial import MAX_TERMS
from isthmus.ir.dim.reductions import maximum, minimum, product

__all__ = [
    "MAX_DEPTH",
    "MAX_SIZE",
    "MAX_TERMS",
    "UNKNOWN",
    "Atom",
    "Bindings",
    "Dim",
    "DimExpr",
    "Extremum",
    "FloorDiv",
    "Mod",
    "Shape",
    "Symbol",
    "as_symbol",
    "bounds",
    "ceildiv",
    "equal",
    "floordiv",
    "less_equal",
    "maximum",
    "minimum",
    "mod",
    "product",
    "resolve",
    "substitute",
    "symbol",
    "symbols",
]
