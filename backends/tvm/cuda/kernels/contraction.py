"""Sums of products, however they are named: result[s, i, j] = sum over k of left[s, i, k] * right[s, k, j].

A block of threads computes a tile of rows i and columns j. It steps along k, and brings a slice of both operands into
shared memory each time, zeros where there is nothing. What is then done with a slice is `simt` or `tensorcores`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.backends.tvm.api import kind, script, tirx
from isthmus.backends.tvm.cuda.kernels.positions import Size, ceil_div, grid, guarded, tiles, within
from isthmus.backends.tvm.kernels import Buffer, Expr

Place: TypeAlias = tuple[Sequence[Expr], Sequence[Expr]]
"""Where an element is: its index, and conditions under which it is there; it counts as zero otherwise."""


@dataclass(frozen=True)
class Operand:
    """One factor of each product."""

    buffer: Buffer
    place: Callable[[Expr, Expr, Expr], Place]
    """Of [s, i, k] or [s, k, j]."""
    run: int
    """How many elements along the last of those lie side by side from each multiple of this number on."""
    dtype: str
    widen: Callable[[Expr], Expr]
    """An element as it is computed with."""


@dataclass(frozen=True)
class Contraction:
    """The work of one kernel."""

    kind: str
    """The type of positions."""
    batch: Size
    rows: Size
    columns: Size
    inner: Size
    left: Operand
    right: Operand
    finish: Callable[[Expr, Expr, Expr, Expr], None]
    """Takes the f32 element at s, i, j and stores it."""


@dataclass(frozen=True)
class Block:
    """The block of threads being written: what it computes, and which of its threads this is."""

    batch: Expr
    row: Expr
    column: Expr
    thread: Expr
    threads: int


@contextmanager
def block_of(work: Contraction, rows: int, columns: int, threads: int) -> Iterator[Block]:
    """One block for each tile of `rows` by `columns`; neighbouring blocks share the rows of the left operand."""
    down, across = tiles(work.rows, rows), tiles(work.columns, columns)
    with grid(work.batch * down * across, threads, work.kind) as (number, thread):
        rest = script.bind(tirx.truncdiv(number, across))
        yield Block(
            script.bind(tirx.truncdiv(rest, down)),
            script.bind(tirx.truncmod(rest, down) * rows),
            script.bind(tirx.truncmod(number, across) * columns),
            thread,
            threads,
        )


def fetch(block: Block, operand: Operand, shared: Buffer, origin: tuple[Expr, Expr], extent: tuple[Size, Size]) -> None:
    """Fill shared memory from `origin` on; elements beyond `extent` are zeros. All threads take part, run by run."""
    height, width, run = int(shared.shape[0]), _width(shared), operand.run
    runs = height * width // run
    turns = ceil_div(runs, block.threads)
    with script.serial(0, turns) as turn:
        number = script.bind(turn * block.threads + block.thread)
        with guarded([number < runs] if runs % block.threads else []):
            y = script.bind(tirx.truncdiv(number, width // run))
            x = script.bind(tirx.truncmod(number, width // run) * run)
            at = [script.bind(start + step) for start, step in zip(origin, (y, x), strict=True)]
            index, conditions = operand.place(block.batch, *at)
            edges = [c for p, e, n in zip(at, extent, (height, width), strict=True) for c in within(p, e, n)]
            _copied(operand, shared, [y, x], index, [*edges, *conditions])


def _copied(
    operand: Operand, shared: Buffer, to: Sequence[Expr], index: Sequence[Expr], conditions: Sequence[Expr]
) -> None:
    same = str(shared.dtype) == operand.dtype

    def put(is_there: bool) -> None:
        def one(lane: Expr) -> None:
            found = operand.buffer[(*index[:-1], index[-1] + lane)]
            value = (found if same else operand.widen(found)) if is_there else tirx.const(0, shared.dtype)
            script.buffer_store(shared, value, [*to[:-1], to[-1] + lane])

        # of the positions' own type: converted, the lanes would no longer be seen to lie side by side
        zero, many = (tirx.const(n, kind(to[-1])) for n in (0, operand.run))
        if operand.run == 1:
            one(zero)
            return
        with script.vectorized(zero, many) as lane:
            one(lane)

    if not conditions:
        put(True)
        return
    with script.If(tirx.all(*conditions)):
        with script.Then():
            put(True)
        with script.Else():
            put(False)


PADDING = 8
"""Elements between rows in shared memory beyond their own, so that columns lie in different banks."""


def shared_memory(height: int, width: int, dtype: str) -> Buffer:
    """Rows of `width`, each with `PADDING` behind it."""
    return script.alloc_buffer((height, width + PADDING), dtype, scope="shared")


def _width(shared: Buffer) -> int:
    return int(shared.shape[1]) - PADDING
