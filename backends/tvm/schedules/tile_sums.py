"""Sums of a product in the processor's tile unit: a block of 32 rows by up to 32 columns, started, stepped and stored.

Tiles 0 to 3 hold the sums, two by two; 4 and 5 are loaded with rows of the left operand, 6 and 7 with columns of the
packed one. A dot takes 16 cycles and a load 8 from the first-level cache: two by two tiles use each loaded tile twice,
so that four dots (64 cycles) hide four loads (32), even where two of them come from the second level (some 20 each).
One by four needs five loads for as many dots, and more than four tiles of sums leave too few to load into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from isthmus.backends.tvm.kernels import Buffer, Expr
from isthmus.backends.tvm.schedules.tile_unit import SIDE, TileUnit
from isthmus.backends.tvm.schedules.write import each_lane

BLOCK = 2 * SIDE
"""Rows, columns and elements of k that the tiles of one step cover."""

DOT_CYCLES = 16
"""From one dot to the next: 16 x 16 sums of 32 products."""

Put = Callable[[Expr, Expr], None]
"""Finishes and stores a scalar of a row: column of the result, value. Called in a vectorized loop."""


@dataclass(frozen=True)
class TileSums:
    """A block of sums."""

    unit: TileUnit
    memory: Buffer
    """[32 * 32] in f32: where `stop` leaves the sums."""
    width: int
    """How many columns are wanted. Tiles beyond them are left out."""

    def start(self) -> None:
        """Set all sums to zero."""
        for row, column in self._tiles():
            self.unit.zero(2 * row + column)

    def step(self, left: Buffer, corner: Expr, pitch: int, right: Buffer, at: Expr) -> None:
        """Add the products of 32 elements of k.

        Rows of `left` begin at its element `corner` and lie `pitch` elements apart. `right` holds panels of 32 columns
        in pairs; the 16 rows of this step begin at its element `at`.
        """
        for row in range(2):
            self.unit.load(4 + row, left, corner + row * SIDE * pitch, pitch)
        for column in range(self._across):
            self.unit.load(6 + column, right, at + column * SIDE, BLOCK)
        for row, column in self._tiles():
            self.unit.dot(2 * row + column, 4 + row, 6 + column)

    def stop(self) -> None:
        """Take the sums from the tiles to memory."""
        for row, column in self._tiles():
            self.unit.store(2 * row + column, self.memory, row * SIDE * BLOCK + column * SIDE, BLOCK)

    def put(self, row: Expr, first: Expr, bias: Buffer | None, put: Put, lanes: int) -> None:
        """Hand over a row of what `stop` left, plus the bias; column `first` of the result is the block's first."""
        for start in range(0, self.width, lanes):
            with each_lane(min(lanes, self.width - start)) as lane:
                column = first + start + lane
                value = self.memory[row * BLOCK + start + lane]
                put(column, value if bias is None else value + bias[column])

    @property
    def _across(self) -> int:
        return -(-self.width // SIDE)

    def _tiles(self) -> Iterator[tuple[int, int]]:
        """Row and column of each tile that is used."""
        return ((row, column) for row in range(2) for column in range(self._across))
