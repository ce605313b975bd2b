"""A matrix times a constant matrix: register tiles over panels packed at compile time.

    for each task (a share of row tiles and of panels):
        for each block of row tiles that stays in the second-level cache:
            for each panel of columns:                      read once from memory for each block
                for each row tile of the block:
                    accumulators = bias
                    for k: accumulators += a[rows, k] * panel[k, :]
                    result = finish(accumulators)

Columns beyond the last whole vector are computed on zeros that packing put there, and not stored. Rows beyond the last
whole tile have a shorter tile of their own where their number is known; else tiles of a few rows read the last row
again and store nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from isthmus.backends.tvm.kernels import Buffer, Expr, Machine
from isthmus.backends.tvm.schedules.accumulators import Accumulators
from isthmus.backends.tvm.schedules.arithmetic import FLOAT, Arithmetic
from isthmus.backends.tvm.schedules.indexing import Size
from isthmus.backends.tvm.schedules.tiles import Plan, Tile
from isthmus.backends.tvm.schedules.write import ceil, edged, load, lowest, prefetch, scratch, store, tasks
from tvm.tirx.script import builder as tir

_SHORT = 4
"""Rows of the tiles that take what whole tiles leave of a number of rows that is known at run time."""
_AHEAD = 16
"""Steps of k that the panel is asked for in advance."""

Store = Callable[[Expr, Expr, Expr], None]
"""Finishes and stores a scalar element of the product: row, column, value. Called in a vectorized loop."""

Rows = Callable[[Expr, Expr, int], Expr]
"""The left matrix's operands in lanes, as the arithmetic has them: a row, the first step of k, how many."""

Corner = tuple[int, int, Expr, bool]
"""A tile's rows and columns, its first row, and whether it may reach beyond the last row of the product."""


@dataclass(frozen=True)
class Gemm:
    """[rows, k] @ [k, columns] on a machine, by a plan."""

    rows: Size
    inner: int
    """Steps of k: elements, or pairs of them."""
    columns: int
    plan: Plan
    machine: Machine
    arithmetic: Arithmetic = FLOAT
    gathered: bool = False
    """Whether rows of the left matrix lie apart, so that reading one costs index arithmetic."""

    @property
    def width(self) -> int:
        """Columns of a panel."""
        return self.plan.tile.vectors * self.machine.lanes

    @property
    def panels(self) -> int:
        """How many panels the packed matrix has."""
        return -(-self.columns // self.width)

    @property
    def copies(self) -> bool:
        """Whether rows are copied first: a stride of whole pages maps a tile's rows onto few sets of the cache."""
        return self.gathered or (self.inner * 4 % 4096 == 0 and self.plan.tile.rows > 4)

    def write(self, a: Rows, packed: Buffer, bias: Buffer | None, put: Store) -> None:
        """The whole product. packed [panels, inner, width] holds operands, bias [panels * width] f32."""
        step = self.plan.tile.rows
        tiles = ceil(self.rows, step)
        down, across = ceil(tiles, self.plan.split.rows), -(-self.panels // self.plan.split.columns)
        block = lowest(self._block(), down)
        with tasks(self.plan.split.rows * self.plan.split.columns, self.machine.threads) as task:
            first_tile, first_panel = task // self.plan.split.columns * down, task % self.plan.split.columns * across
            last_tile, last_panel = lowest(first_tile + down, tiles), lowest(first_panel + across, self.panels)
            copy = (
                scratch((self._block() * step, self.inner + self.machine.lanes), self.arithmetic.operand)
                if self.copies
                else None
            )
            with tir.serial(0, ceil(down, block)) as b:
                begin = tir.bind(first_tile + b * block)
                end = tir.bind(lowest(begin + block, last_tile))
                if copy is not None:
                    self._copy(a, copy, begin * step, lowest(end * step, self.rows))
                with tir.serial(first_panel, last_panel) as panel, tir.serial(begin, end) as i:

                    def read(row: Expr, k: Expr) -> Expr:
                        return a(row, k, 1) if copy is None else copy[row - begin * step, k]

                    def across_edge(width: int) -> None:
                        self._rows_at(
                            i,
                            lambda height, top, guarded: self._tile(
                                read, packed, bias, put, panel, (height, width, top, guarded)
                            ),
                        )

                    edged(panel, self.columns, self.width, across_edge)

    def _block(self) -> int:
        """Row tiles whose rows fill half of the second-level cache; one where the packed matrix itself does not."""
        half = self.machine.caches[1] // 2
        if self.panels * self.width * self.inner * 4 <= half // 2:
            return 1
        return max(1, half // (self.plan.tile.rows * self.inner * 4))

    def _copy(self, a: Rows, copy: Buffer, begin: Expr, end: Expr) -> None:
        lanes = self.machine.lanes
        whole = self.inner // lanes * lanes
        with tir.serial(begin, end) as row:
            with tir.serial(0, whole // lanes) as k:
                store(copy, a(row, k * lanes, lanes), [row - begin, k * lanes], lanes)
            for k in range(whole, self.inner):
                store(copy, a(row, k, 1), [row - begin, k])

    def _rows_at(self, i: Expr, write: Callable[[int, Expr, bool], None]) -> None:
        """Write row tile i by `write(height, first row, guarded)`; a guarded tile may reach beyond the last row."""
        step = self.plan.tile.rows
        if isinstance(self.rows, int):
            edged(i, self.rows, step, lambda height: write(height, i * step, False))
            return
        short = min(_SHORT, step)
        with tir.If((i + 1) * step <= self.rows):
            with tir.Then():
                write(step, i * step, False)
            with tir.Else(), tir.serial(0, ceil(self.rows - i * step, short)) as s:
                write(short, i * step + s * short, True)

    def _tile(
        self,
        read: Callable[[Expr, Expr], Expr],
        packed: Buffer,
        bias: Buffer | None,
        put: Store,
        panel: Expr,
        corner: Corner,
    ) -> None:
        """One tile, at its corner in the product."""
        lanes = self.machine.lanes
        height, width, top, guarded = corner
        rows = [lowest(top + r, self.rows - 1) if guarded else top + r for r in range(height)]
        sums = Accumulators(Tile(height, -(-width // lanes)), lanes, self.arithmetic)
        sums.start(None if bias is None else lambda v: load(bias, [panel * self.width + v * lanes], lanes))
        with tir.serial(0, self.inner) as k:
            for v in range(sums.tile.vectors):
                prefetch(packed, [panel, k + _AHEAD, v * lanes])
            sums.step(lambda r: read(rows[r], k), lambda v: load(packed, [panel, k, v * lanes], lanes))

        def put_row(r: int, column: Expr, value: Expr) -> None:
            put(top + r, panel * self.width + column, value)

        sums.put(width, put_row, (lambda r: top + r < self.rows) if guarded else None)
