"""Dimensions as TIR: symbols become int64 variables, expressions over them arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from isthmus.backends.tvm.api import tirx
from isthmus.ir.dim import Atom, Dim, Extremum, FloorDiv, Symbol, as_symbol, symbols
from isthmus.ir.errors import BackendFailed
from isthmus.ir.types import TensorType


def written(dim: Dim, symbol: Callable[[Symbol], Any]) -> Any:
    """The int64 expression a dimension is, each symbol as `symbol` says; numbers stay Python integers."""
    if isinstance(dim, int):
        return dim
    total: Any = None
    for monomial, coefficient in dim.terms:
        part: Any = None
        for atom, power in monomial:
            for _ in range(power):
                factor = _atom(atom, symbol)
                part = factor if part is None else part * factor
        if part is None:
            part = tirx.const(coefficient, "int64")
        elif coefficient != 1:
            part = part * tirx.const(coefficient, "int64")
        total = part if total is None else total + part
    return total


def _atom(atom: Atom, symbol: Callable[[Symbol], Any]) -> Any:
    if isinstance(atom, Symbol):
        return symbol(atom)
    if isinstance(atom, Extremum):
        pick = tirx.min if atom.kind == "min" else tirx.max
        first, *others = (_as_int64(written(a, symbol)) for a in atom.args)
        for each in others:
            first = pick(first, each)
        return first
    divide = tirx.floordiv if isinstance(atom, FloorDiv) else tirx.floormod
    return divide(_as_int64(written(atom.numerator, symbol)), _as_int64(written(atom.divisor, symbol)))


def _as_int64(size: Any) -> Any:
    return tirx.const(size, "int64") if isinstance(size, int) else size


class KernelSizes:
    """The sizes of one kernel: its symbols are parameters of its own. See `kernels.Sizes`."""

    def __init__(self, known: Iterable[Symbol]) -> None:
        self.symbols: tuple[Symbol, ...] = tuple(sorted(known, key=lambda s: s.name))
        self._variables: Mapping[Symbol, Any] = {s: tirx.Var(s.name, "int64") for s in self.symbols}

    @property
    def parameters(self) -> Sequence[Any]:
        """A variable for each symbol, by name."""
        return [self._variables[s] for s in self.symbols]

    def __call__(self, dim: Dim) -> Any:
        """A number, or an int64 expression over the parameters."""
        return written(dim, self._variables.__getitem__)


class CallSizes:
    """The sizes of one Relax function: what its inputs' shapes, and values that only running tells, bind."""

    def __init__(self) -> None:
        self._known: dict[Symbol, Any] = {}

    def __contains__(self, symbol: Symbol) -> bool:
        return symbol in self._known

    def __call__(self, dim: Dim) -> Any:
        """An int64 expression; BackendFailed where a symbol is not bound."""
        return written(dim, self.of)

    def shape(self, dims: Sequence[Dim]) -> list[Any]:
        """The expressions of a shape, numbers included."""
        return [_as_int64(self(d)) for d in dims]

    def bind(self, symbol: Symbol) -> Any:
        """A fresh variable for a symbol, to be bound by a shape."""
        return self._known.setdefault(symbol, tirx.Var(symbol.name, "int64"))

    def declare(self, types: Sequence[TensorType]) -> list[list[Any]]:
        """Shapes of a function's inputs, binding every symbol they show plainly, or as a * symbol + b."""
        for each in types:
            for dim in each.shape:
                if (found := as_symbol(dim)) is not None:
                    self.bind(found)
        return [[self._declared(d) for d in each.shape] for each in types]

    def _declared(self, dim: Dim) -> Any:
        if all(s in self._known for s in symbols(dim)):
            return _as_int64(self(dim))
        whole = tirx.Var("size", "int64")
        if (found := linear(dim)) is not None:
            symbol, factor, offset = found
            self._known[symbol] = tirx.floordiv(whole - offset, tirx.const(factor, "int64"))
        return whole

    def of(self, symbol: Symbol) -> Any:
        """The int64 expression of a symbol; BackendFailed where it is not bound."""
        if symbol not in self._known:
            raise BackendFailed(f"no value's shape shows the size {symbol}", hint="make it a dimension of an input")
        return self._known[symbol]


def linear(dim: Dim) -> tuple[Symbol, int, int] | None:
    """(symbol, a, b) where `dim` is a * symbol + b with a > 0, else None."""
    if isinstance(dim, int):
        return None
    terms = [(m, c) for m, c in dim.terms if m]
    if len(terms) != 1:
        return None
    (monomial, factor) = terms[0]
    (atom, power), *more = monomial
    if more or power != 1 or not isinstance(atom, Symbol) or factor < 1:
        return None
    return atom, factor, sum(c for m, c in dim.terms if not m)
