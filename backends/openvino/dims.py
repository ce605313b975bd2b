"""Sizes in OpenVINO: intervals where they are declared, node arithmetic where they are computed.

Inside a region that sees no value with a symbol in its shape, the size is passed in as one more captured value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from isthmus.backends.openvino.integers import floor_div, mod
from isthmus.backends.sizes import Arithmetic
from isthmus.ir.dim import Dim, Symbol, bounds

if TYPE_CHECKING:
    from isthmus.backends.openvino.network import Handle, Network


class NodeArithmetic(Arithmetic[Any]):
    """Integer arithmetic written as nodes of one network."""

    def __init__(self, network: Network) -> None:
        self._n = network
        self.captured: dict[Symbol, Handle] = {}
        """Symbols this region asks its surroundings for: the parameters that stand for them."""

    def vector(self, numbers: Sequence[int]) -> Handle:
        """A constant."""
        return self._n.vector(numbers)

    def concat(self, parts: Sequence[Handle]) -> Handle:
        """Along the only axis."""
        return self._n.ops.concat(list(parts), 0)

    def size(self, value: Handle, axis: int) -> Handle:
        """An element of the shape."""
        n = self._n
        return n.ops.gather(n.shape_of(value), n.vector([axis]), n.scalar(0))

    def add(self, a: Handle, b: Handle) -> Handle:
        """A sum."""
        return self._n.ops.add(a, b)

    def subtract(self, a: Handle, b: Handle) -> Handle:
        """A difference."""
        return self._n.ops.subtract(a, b)

    def multiply(self, a: Handle, b: Handle) -> Handle:
        """A product."""
        return self._n.ops.multiply(a, b)

    def divide(self, a: Handle, b: Handle) -> Handle:
        """Exact, so that the engine's division may round as it likes."""
        return self._n.ops.divide(a, b)

    def floor_div(self, a: Handle, b: Handle) -> Handle:
        """By the exact integer division."""
        return floor_div(self._n, a, b)

    def mod(self, a: Handle, b: Handle) -> Handle:
        """By the exact integer division."""
        return mod(self._n, a, b)

    def minimum(self, a: Handle, b: Handle) -> Handle:
        """The lesser."""
        return self._n.ops.minimum(a, b)

    def maximum(self, a: Handle, b: Handle) -> Handle:
        """The greater."""
        return self._n.ops.maximum(a, b)

    def outside(self, symbol: Symbol) -> Handle:
        """One more parameter of the region."""
        n = self._n
        if n.outer is None:
            return super().outside(symbol)
        parameter = n.ops.parameter([1], n.engine.Type.i64)
        self.captured[symbol] = parameter
        return parameter


def partial_shape(engine: Any, shape: Sequence[Dim]) -> Any:
    """The shape as the engine declares it: numbers, and intervals for what is symbolic."""
    dims = []
    for dim in shape:
        low, high = bounds(dim)
        dims.append(engine.Dimension(max(low or 0, 0), -1 if high is None else high))
    return engine.PartialShape(dims)
