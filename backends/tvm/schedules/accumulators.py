"""A tile of accumulators in vector registers: started, stepped through the inner size, and stored."""

from __future__ import annotations

from collections.abc import Callable

from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.schedules.arithmetic import FLOAT, Arithmetic
from isthmus.backends.tvm.schedules.tiles import Tile
from isthmus.backends.tvm.schedules.write import each_lane, load, registers, splat, store
from tvm.tirx.script import builder as tir

Put = Callable[[int, Expr, Expr], None]
"""Stores a scalar element of the tile: its row, its column in the tile, its value. Called in a vectorized loop."""


class Accumulators:
    """`tile.rows` x `tile.vectors` vectors of f32. One buffer a row, so that LLVM keeps each in registers."""

    def __init__(self, tile: Tile, lanes: int, arithmetic: Arithmetic = FLOAT) -> None:
        self.tile = tile
        self.lanes = lanes
        self._arithmetic = arithmetic
        self._rows = [registers(tile.vectors * lanes) for _ in range(tile.rows)]

    def start(self, first: Callable[[int], Expr] | None = None) -> None:
        """Set every row to the vectors `first(v)` (a bias), or to zero."""
        for v in range(self.tile.vectors):
            value = splat(0.0, self.lanes) if first is None else tir.bind(first(v))
            for row in self._rows:
                store(row, value, [v * self.lanes], self.lanes)

    def step(self, scalar: Callable[[int], Expr], vector: Callable[[int], Expr]) -> None:
        """Add scalar(r) * vector(v) to the accumulator of every row r and vector v: operands of the arithmetic."""
        across = [tir.bind(vector(v)) for v in range(self.tile.vectors)]
        for r, row in enumerate(self._rows):
            down = tir.bind(splat(scalar(r), self.lanes))
            for v, each in enumerate(across):
                place = [v * self.lanes]
                total = self._arithmetic.multiply_add(down, each, load(row, place, self.lanes))
                store(row, total, place, self.lanes)

    def vector(self, r: int, v: int) -> Expr:
        """The accumulator of row r and vector v."""
        return load(self._rows[r], [v * self.lanes], self.lanes)

    def put(self, columns: int, put: Put, stored: Callable[[int], Expr] | None = None) -> None:
        """Hand over the first `columns` elements of every row r, of which `stored(r)` holds if it is given.

        A partial vector is handed over as a shorter one.
        """
        for r in range(self.tile.rows):
            if stored is None:
                self._put_row(r, columns, put)
                continue
            with tir.If(stored(r)), tir.Then():
                self._put_row(r, columns, put)

    def _put_row(self, r: int, columns: int, put: Put) -> None:
        for first in range(0, columns, self.lanes):
            with each_lane(min(self.lanes, columns - first)) as lane:
                put(r, first + lane, self._rows[r][first + lane])
