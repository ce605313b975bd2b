"""Sizes in TensorRT: shape tensors, computed by the layers that compute everything else."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from isthmus.backends.sizes import Arithmetic
from isthmus.ir.dim import Dim, Symbol
from isthmus.ir.dim import symbol as symbol_dim

if TYPE_CHECKING:
    from isthmus.backends.tensorrt.network import Handle, Network


class LayerArithmetic(Arithmetic[Any]):
    """Integer arithmetic written as layers, which the engine runs on the host when it infers shapes."""

    def __init__(self, network: Network, outer: Callable[[Dim], Handle] | None = None) -> None:
        """`outer` gives sizes that no value of the graph shows, where it is a region."""
        self._n = weakref.proxy(network)  # a cycle would be freed amid a message of the engine, which deadlocks
        self._outer = outer

    def vector(self, numbers: Sequence[int]) -> Handle:
        """A constant."""
        return self._n.vector(numbers)

    def concat(self, parts: Sequence[Handle]) -> Handle:
        """Along the only axis."""
        return self._n.concat(parts, 0)

    def size(self, value: Handle, axis: int) -> Handle:
        """An element of the shape."""
        n = self._n
        return n.of(n.definition.add_slice(n.shape_of(value), (axis,), (1,), (1,)))

    def outside(self, symbol: Symbol) -> Handle:
        """Asks the graph around a region."""
        if self._outer is None:
            return super().outside(symbol)
        return self._outer(symbol_dim(symbol.name, symbol.low, symbol.high))

    def add(self, a: Handle, b: Handle) -> Handle:
        """A sum."""
        return self._n.elementwise("SUM", a, b)

    def subtract(self, a: Handle, b: Handle) -> Handle:
        """A difference."""
        return self._n.elementwise("SUB", a, b)

    def multiply(self, a: Handle, b: Handle) -> Handle:
        """A product."""
        return self._n.elementwise("PROD", a, b)

    def divide(self, a: Handle, b: Handle) -> Handle:
        """Exact, so that it does not matter how the engine rounds."""
        return self._n.elementwise("FLOOR_DIV", a, b)

    def floor_div(self, a: Handle, b: Handle) -> Handle:
        """A quotient rounded down."""
        return self._n.elementwise("FLOOR_DIV", a, b)

    def mod(self, a: Handle, b: Handle) -> Handle:
        """a - floor(a / b) * b."""
        return self.subtract(a, self.multiply(self.floor_div(a, b), b))

    def minimum(self, a: Handle, b: Handle) -> Handle:
        """The lesser."""
        return self._n.elementwise("MIN", a, b)

    def maximum(self, a: Handle, b: Handle) -> Handle:
        """The greater."""
        return self._n.elementwise("MAX", a, b)
