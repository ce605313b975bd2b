"""`linear`, and `matmul` with a constant matrix, of bf16 by the processor's tile unit.

    for each task (a share of the blocks of 32 rows, or of the panels of 32 columns):
        configure the unit
        for each panel: for each block of rows:
            4 sums = 0
            for k in steps of 32: load two tiles of rows and two of the panel, 4 dots
            result = finish(sums + bias)

Rows that do not fill a block are copied to a block of their own; what stands in its other rows is not stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from isthmus.backends.base import Refused
from isthmus.backends.tvm.carriers import carrier
from isthmus.backends.tvm.kernels import (
    Buffer,
    Expr,
    Group,
    Kernel,
    Machine,
    Offer,
    Packed,
    PrimFunc,
    Sizes,
    Stored,
    Tail,
)
from isthmus.backends.tvm.orders import row_major
from isthmus.backends.tvm.schedules import packing
from isthmus.backends.tvm.schedules.gemm import Store
from isthmus.backends.tvm.schedules.indexing import Size, product, unravel, view
from isthmus.backends.tvm.schedules.linear import constant_matrix
from isthmus.backends.tvm.schedules.tile_sums import BLOCK, TileSums
from isthmus.backends.tvm.schedules.tile_unit import FEATURES, SIDE, TileUnit
from isthmus.backends.tvm.schedules.write import (
    Finish,
    ceil,
    edged,
    function,
    load,
    lowest,
    scratch,
    store,
    tasks,
)
from isthmus.ir.types import Array
from tvm.tirx.script import builder as tir


def tile_linear(group: Group, machine: Machine, unit: TileUnit | None = None) -> Offer:
    """x [..., K] @ constant weight [K, N], plus a constant bias [N], in bf16, where K is a multiple of 32."""
    x, weight, *rest = group.anchor.inputs
    if not machine.features >= FEATURES:
        return Refused("the processor has no tile unit")
    if x.dtype.name != "bf16":
        return Refused(f"tiles of {x.dtype.name}")
    if (refused := constant_matrix(group)) is not None:
        return refused
    inner, columns = weight.shape
    assert isinstance(inner, int)
    assert isinstance(columns, int)
    if inner % BLOCK:
        return Refused(f"{inner} is no multiple of {BLOCK}")
    packed = [Packed(_panels)]
    if rest:
        packed.append(Packed(partial(packing.padded, width=BLOCK)))

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        outer = [sizes(d) for d in x.shape[:-1]]
        gemm = TileGemm(product(outer), inner, columns, machine, unit or TileUnit())

        def body(operands: Sequence[Buffer], result: Buffer, finish: Finish) -> None:
            flat = view(result, (gemm.rows, columns))

            def put(row: Expr, column: Expr, value: Expr) -> None:
                store(flat, finish(value, [*unravel(row, outer), column]), [row, column])

            left = view(operands[0], (gemm.rows * inner,))
            right = view(operands[1], (gemm.panels * inner // 2 * BLOCK,))
            gemm.write(left, right, operands[2] if rest else None, put)

        shapes = [("x", [*outer, inner], carrier(x.dtype)), ("weight", [gemm.panels, inner // 2, BLOCK], "int32")]
        if rest:
            shapes.append(("bias", [gemm.panels * BLOCK], "float32"))
        return function(shapes, [*outer, columns], body, tail, sizes)

    return Kernel(
        key=("tile_linear", x.type, inner, columns, bool(rest), machine),
        function=write,
        operands=(Stored(row_major(x.rank)), *packed),
        result=row_major(x.rank),
        title=f"matmul tiles {BLOCK}x{BLOCK}",
    )


def _panels(weight: Array) -> Array:
    return packing.pairs(packing.panels(weight, BLOCK))


@dataclass(frozen=True)
class TileGemm:
    """[rows, inner] @ [inner, columns] of bf16 on a machine with a tile unit."""

    rows: Size
    inner: int
    columns: int
    machine: Machine
    unit: TileUnit

    @property
    def panels(self) -> int:
        """How many panels the packed matrix has."""
        return -(-self.columns // BLOCK)

    def write(self, left: Buffer, right: Buffer, bias: Buffer | None, put: Store) -> None:
        """The whole product: left [rows * inner] as uint16, right [panels * inner / 2 * 32] in pairs, bias in f32."""
        threads = self.machine.threads
        blocks = ceil(self.rows, BLOCK)
        by_rows = not isinstance(blocks, int) or blocks % threads == 0 or blocks >= self.panels
        down, across = (ceil(blocks, threads), self.panels) if by_rows else (blocks, ceil(self.panels, threads))
        with tasks(threads, threads) as task:
            first, first_panel = (task * down, 0) if by_rows else (0, task * across)
            memory = scratch((BLOCK * BLOCK,))
            rest = scratch((BLOCK * self.inner,), "uint16")
            self.unit.configure()
            with (
                tir.serial(first_panel, lowest(first_panel + across, self.panels)) as panel,
                tir.serial(first, lowest(first + down, blocks)) as block,
            ):
                top = tir.bind(block * BLOCK)
                edged(
                    panel,
                    self.columns,
                    BLOCK,
                    lambda width: self._block(
                        TileSums(self.unit, memory, width), left, top, rest, right, panel, bias, put
                    ),
                )
            self.unit.release()

    def _block(
        self,
        sums: TileSums,
        left: Buffer,
        top: Expr,
        rest: Buffer,
        right: Buffer,
        panel: Expr,
        bias: Buffer | None,
        put: Store,
    ) -> None:
        """32 rows of a panel from row `top` on, or those that are left."""
        with tir.If(top + BLOCK <= self.rows):
            with tir.Then():
                self._dots(sums, left, top * self.inner, right, panel)
            with tir.Else():
                self._copy(left, top, rest)
                self._dots(sums, rest, tir.int64(0), right, panel)
        with tir.serial(0, lowest(BLOCK, self.rows - top)) as row:
            sums.put(row, panel * BLOCK, bias, partial(put, top + row), self.machine.lanes)

    def _copy(self, left: Buffer, top: Expr, rest: Buffer) -> None:
        with tir.serial(0, (self.rows - top) * (self.inner // BLOCK)) as i:
            store(rest, load(left, [top * self.inner + i * BLOCK], BLOCK), [i * BLOCK], BLOCK)

    def _dots(self, sums: TileSums, left: Buffer, corner: Expr, right: Buffer, panel: Expr) -> None:
        sums.start()
        with tir.serial(0, self.inner // BLOCK) as k:
            at = (panel * (self.inner // 2) + k * SIDE) * BLOCK
            sums.step(left, corner + k * BLOCK, self.inner, right, at)
        sums.stop()
