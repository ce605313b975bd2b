"""Dimensions at run time: how a symbolic size becomes a computation on the shapes of values.

A symbol is read from a value whose shape shows it, plainly or as `a * symbol + b`. Inside a region that sees no
such value, the size is passed in as one more captured value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from isthmus.backends.openvino.integers import floor_div, mod
from isthmus.ir.dim import Atom, Dim, DimExpr, Extremum, FloorDiv, Symbol, bounds
from isthmus.ir.errors import BackendFailed
from isthmus.ir.graph import Value

if TYPE_CHECKING:
    from isthmus.backends.openvino.network import Handle, Network


class DimSources:
    """Where the sizes of one network come from."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._sources: dict[Symbol, tuple[Handle, int, int, int]] = {}
        self._computed: dict[Atom, Handle] = {}
        self.captured: dict[Symbol, Handle] = {}
        """Symbols this region asks its surroundings for: the parameters that stand for them."""

    def partial_shape(self, shape: Sequence[Dim]) -> Any:
        """The shape as the engine declares it: numbers, and intervals for what is symbolic."""
        engine = self._network.engine
        dims = []
        for dim in shape:
            low, high = bounds(dim)
            dims.append(engine.Dimension(max(low or 0, 0), -1 if high is None else high))
        return engine.PartialShape(dims)

    def learn(self, value: Value, handle: Handle) -> None:
        """Remember which symbols the value's shape shows."""
        for axis, dim in enumerate(value.shape):
            if (found := _linear(dim)) is not None and found[0] not in self._sources:
                self._sources[found[0]] = (handle, axis, found[1], found[2])

    def vector(self, dims: Sequence[Dim]) -> Handle:
        """An i64 vector of the dimensions."""
        if all(isinstance(d, int) for d in dims):
            return self._network.vector([d for d in dims if isinstance(d, int)])
        parts = [self._one(d) for d in dims]
        return parts[0] if len(parts) == 1 else self._network.ops.concat(parts, 0)

    def _one(self, dim: Dim) -> Handle:
        """An i64 vector of one element."""
        n = self._network
        if isinstance(dim, int):
            return n.vector([dim])
        total: Handle | None = None
        for monomial, coefficient in dim.terms:
            part: Handle | None = None
            for atom, power in monomial:
                for _ in range(power):
                    factor = self._atom(atom)
                    part = factor if part is None else n.ops.multiply(part, factor)
            if part is None:
                part = n.vector([coefficient])
            elif coefficient != 1:
                part = n.ops.multiply(part, n.vector([coefficient]))
            total = part if total is None else n.ops.add(total, part)
        return total

    def _atom(self, atom: Atom) -> Handle:
        if atom not in self._computed:
            self._computed[atom] = self._symbol(atom) if isinstance(atom, Symbol) else self._compound(atom)
        return self._computed[atom]

    def _compound(self, atom: Any) -> Handle:
        n = self._network
        if isinstance(atom, Extremum):
            pick = n.ops.minimum if atom.kind == "min" else n.ops.maximum
            result = self._one(atom.args[0])
            for each in atom.args[1:]:
                result = pick(result, self._one(each))
            return result
        divide = floor_div if isinstance(atom, FloorDiv) else mod
        return divide(n, self._one(atom.numerator), self._one(atom.divisor))

    def _symbol(self, symbol: Symbol) -> Handle:
        n = self._network
        if symbol not in self._sources:
            return self._capture(symbol)
        handle, axis, factor, offset = self._sources[symbol]
        size = n.ops.gather(n.shape_of(handle), n.vector([axis]), n.scalar(0))
        if offset:
            size = n.ops.subtract(size, n.vector([offset]))
        if factor != 1:
            size = n.ops.divide(size, n.vector([factor]))
        return size

    def _capture(self, symbol: Symbol) -> Handle:
        n = self._network
        if n.outer is None:
            raise BackendFailed(f"no value's shape shows the size {symbol}", hint="make it a dimension of an input")
        parameter = n.ops.parameter([1], n.engine.Type.i64)
        self.captured[symbol] = parameter
        return parameter


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
