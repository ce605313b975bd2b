"""Matrices that only running makes, rearranged into panels as `packing.panels` does with constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from isthmus.backends.tvm.kernels import Buffer, Expr
from isthmus.backends.tvm.schedules.indexing import Size
from isthmus.backends.tvm.schedules.write import ceil, lowest, splat, store
from tvm import tirx
from tvm.tirx.script import builder as tir

Element = Callable[[Expr, Expr, int], Expr]
"""Elements (k, n), (k, n + 1), ... of a matrix in f32, as many as asked for: a scalar or a vector."""


def transposed(rows: Sequence[Expr]) -> list[Expr]:
    """The columns of a square of as many vectors as they have lanes, a power of two.

    Squares of 2 x 2 blocks swap their off-diagonal blocks, of 1 element, then 2, 4, ...: log2(lanes) shuffles a vector.
    """
    rows = list(rows)
    lanes = len(rows)
    block = 1
    while block < lanes:
        for i in (i for i in range(lanes) if not i & block):
            first, second = rows[i], rows[i + block]
            low = [at + lanes - block if at & block else at for at in range(lanes)]
            high = [at + lanes if at & block else at + block for at in range(lanes)]
            rows[i] = tir.bind(tirx.Shuffle([first, second], low))
            rows[i + block] = tir.bind(tirx.Shuffle([first, second], high))
        block *= 2
    return rows


def repack_transposed(matrix: Element, panels: Buffer, inner: int, columns: Size, width: int, lanes: int) -> None:
    """Fill panels [ceil(columns / width), inner, width] with the transpose of `matrix`, which gives (n, k) along k.

    What stands after the last column is the last column again.
    """
    whole = inner // lanes * lanes
    with tir.serial(0, ceil(columns, width)) as p, tir.serial(0, width // lanes) as v:
        rows = [tir.bind(lowest(p * width + v * lanes + n, columns - 1)) for n in range(lanes)]
        if whole:
            with tir.serial(0, whole // lanes) as b:
                square = transposed([tir.bind(matrix(row, b * lanes, lanes)) for row in rows])
                for k, column in enumerate(square):
                    store(panels, column, [p, b * lanes + k, v * lanes], lanes)
        for k in range(whole, inner):
            for n, row in enumerate(rows):
                store(panels, matrix(row, k, 1), [p, k, v * lanes + n])


def repack(matrix: Element, panels: Buffer, inner: Size, columns: int, width: int, lanes: int) -> None:
    """Fill panels [ceil(columns / width), inner, width], zeros after the last column."""
    whole, rest = divmod(columns, width)
    if whole:
        with tir.serial(0, whole) as p, tir.serial(0, inner) as k:
            for first in range(0, width, lanes):
                store(panels, matrix(k, p * width + first, lanes), [p, k, first], lanes)
    if rest:
        with tir.serial(0, inner) as k:
            for first in range(0, width, lanes):
                some = max(0, min(lanes, rest - first))
                if some:
                    store(panels, matrix(k, whole * width + first, some), [whole, k, first], some)
                if some < lanes:
                    store(panels, splat(0.0, lanes - some), [whole, k, first + some], lanes - some)
