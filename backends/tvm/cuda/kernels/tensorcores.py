"""Sums of products of f16 on tensor cores, added up in f32.

A warp multiplies squares of 16 by 16 (`nvcuda::wmma`), and holds several of them. Its results go through shared memory,
square by square, since which thread holds which element of a square is nobody's business.
https://docs.nvidia.com/cuda/cuda-c-programming-guide/#warp-matrix-functions
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isthmus.backends.tvm.api import script, tirx
from isthmus.backends.tvm.cuda.kernels.contraction import (
    Contraction,
    block_of,
    fetch,
    shared_memory,
)
from isthmus.backends.tvm.cuda.kernels.positions import ceil_div, guarded, within
from isthmus.backends.tvm.kernels import Buffer, Expr

SQUARE = 16
WARP = 32
DEPTH = 32
"""Steps of k for each slice."""


@dataclass(frozen=True)
class Tile:
    """How the squares of a block's tile are dealt out."""

    down: int
    """Warps along rows."""
    across: int
    """Warps along columns."""
    rows: int
    """Squares of a warp along rows."""
    columns: int
    """Squares of a warp along columns."""

    @property
    def height(self) -> int:
        """Rows of the block."""
        return self.down * self.rows * SQUARE

    @property
    def width(self) -> int:
        """Columns of the block."""
        return self.across * self.columns * SQUARE

    @property
    def warps(self) -> int:
        """Of the block."""
        return self.down * self.across


SMALL, LARGE = Tile(2, 2, 2, 2), Tile(2, 4, 4, 2)


def write(work: Contraction, tile: Tile) -> None:
    """A kernel in tiles."""
    with block_of(work, tile.height, tile.width, tile.warps * WARP) as block:
        warp = script.bind(tirx.truncdiv(block.thread, WARP))
        lane = script.bind(tirx.truncmod(block.thread, WARP))
        y = script.bind(tirx.truncdiv(warp, tile.across) * tile.rows * SQUARE)
        x = script.bind(tirx.truncmod(warp, tile.across) * tile.columns * SQUARE)
        left, right = shared_memory(tile.height, DEPTH, "float16"), shared_memory(DEPTH, tile.width, "float16")
        staged = script.alloc_buffer((tile.warps * SQUARE, SQUARE + 4), "float32", scope="shared")
        a = _fragments("matrix_a", tile.rows, "float16")
        b = _fragments("matrix_b", tile.columns, "float16")
        c = _fragments("accumulator", tile.rows * tile.columns, "float32")
        for i in range(tile.rows * tile.columns):
            script.evaluate(script.tvm_fill_fragment(c.data, *_SHAPE, i, tirx.const(0, "float32")))
        with script.serial(0, ceil_div(work.inner, DEPTH)) as step:
            k = script.bind(step * DEPTH)
            fetch(block, work.left, left, (block.row, k), (work.rows, work.inner))
            fetch(block, work.right, right, (k, block.column), (work.inner, work.columns))
            for depth in range(0, DEPTH, SQUARE):
                for i in range(tile.rows):
                    _loaded(a, i, left, y + i * SQUARE, depth)
                for j in range(tile.columns):
                    _loaded(b, j, right, depth, x + j * SQUARE)
                for i in range(tile.rows):
                    for j in range(tile.columns):
                        at = i * tile.columns + j
                        script.evaluate(script.tvm_mma_sync(c.data, at, a.data, i, b.data, j, c.data, at))
        for i in range(tile.rows):
            for j in range(tile.columns):
                _stored(c, i * tile.columns + j, staged, warp * SQUARE)
                with script.serial(0, SQUARE * SQUARE // WARP) as turn:
                    number = script.bind(turn * WARP + lane)
                    high = script.bind(tirx.truncdiv(number, SQUARE))
                    wide = script.bind(tirx.truncmod(number, SQUARE))
                    row = script.bind(block.row + y + i * SQUARE + high)
                    column = script.bind(block.column + x + j * SQUARE + wide)
                    with guarded([*within(row, work.rows, tile.height), *within(column, work.columns, tile.width)]):
                        work.finish(block.batch, row, column, staged[warp * SQUARE + high, wide])


_SHAPE = (SQUARE, SQUARE, SQUARE)


def _fragments(use: str, count: int, dtype: str) -> Buffer:
    return script.alloc_buffer((count * SQUARE * SQUARE,), dtype, scope=f"wmma.{use}")


def _loaded(fragments: Buffer, number: int, shared: Buffer, row: Expr, column: Expr) -> None:
    stride = int(shared.shape[1])
    pointer = _pointer(shared, row, column, "r")
    call = script.tvm_load_matrix_sync(fragments.data, *_SHAPE, number, pointer, stride, "row_major")
    script.evaluate(call)


def _stored(fragments: Buffer, number: int, shared: Buffer, row: Expr) -> None:
    pointer = _pointer(shared, row, 0, "w")
    stride = int(shared.shape[1])
    call = script.tvm_store_matrix_sync(fragments.data, *_SHAPE, number, pointer, stride, "row_major")
    script.evaluate(call)


def _pointer(shared: Buffer, row: Expr, column: Expr, access: str) -> Any:
    """A square in shared memory."""
    stride = int(shared.shape[1])
    return shared.access_ptr(access, offset=row * stride + column, extent=(SQUARE - 1) * stride + SQUARE)
