"""Sums of products in f32, each thread computing a small square of the block's tile in registers."""

from __future__ import annotations

from isthmus.backends.tvm.api import script, tirx
from isthmus.backends.tvm.cuda.kernels.contraction import (
    Contraction,
    block_of,
    fetch,
    shared_memory,
)
from isthmus.backends.tvm.cuda.kernels.positions import ceil_div, guarded, within

SIDE = 16
"""Threads of a block along rows, and along columns."""

DEPTH = 16
"""Steps of k for each slice."""


def write(work: Contraction, each: int) -> None:
    """Tiles of 16 * `each` squared. Rows and columns of a thread lie 16 apart, so that neighbours read neighbours."""
    side = SIDE * each
    with block_of(work, side, side, SIDE * SIDE) as block:
        x = script.bind(tirx.truncmod(block.thread, SIDE))
        y = script.bind(tirx.truncdiv(block.thread, SIDE))
        left, right = shared_memory(side, DEPTH, "float32"), shared_memory(DEPTH, side, "float32")
        sums = script.alloc_buffer((each * each,), "float32", scope="local")
        down = script.alloc_buffer((each,), "float32", scope="local")
        across = script.alloc_buffer((each,), "float32", scope="local")
        with script.unroll(each * each) as i:
            script.buffer_store(sums, tirx.const(0, "float32"), [i])
        with script.serial(0, ceil_div(work.inner, DEPTH)) as step:
            k = script.bind(step * DEPTH)
            fetch(block, work.left, left, (block.row, k), (work.rows, work.inner))
            fetch(block, work.right, right, (k, block.column), (work.inner, work.columns))
            with script.serial(0, DEPTH) as depth:
                with script.unroll(each) as i:
                    script.buffer_store(down, left[y + SIDE * i, depth], [i])
                with script.unroll(each) as j:
                    script.buffer_store(across, right[depth, x + SIDE * j], [j])
                with script.unroll(each) as i, script.unroll(each) as j:
                    at = i * each + j
                    script.buffer_store(sums, sums[at] + down[i] * across[j], [at])
        for i in range(each):
            row = script.bind(block.row + y + SIDE * i)
            for j in range(each):
                column = script.bind(block.column + x + SIDE * j)
                with guarded([*within(row, work.rows, side), *within(column, work.columns, side)]):
                    work.finish(block.batch, row, column, sums[i * each + j])
