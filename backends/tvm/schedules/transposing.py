"""Memory copied into another order of axes, in squares that are turned in registers.

    for each square of as many rows and columns as a vector has lanes:
        rows = the vectors as they lie in the source
        columns = rows, transposed by shuffles
        the columns, as they lie in the result

Element by element, one of the two sides would be touched a whole row apart each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.backends.tvm.kernels import Buffer, Expr
from isthmus.backends.tvm.schedule_default import int64, is_large, nest
from isthmus.backends.tvm.schedules.indexing import product, view
from isthmus.backends.tvm.schedules.repacking import transposed
from isthmus.backends.tvm.schedules.write import load, store
from isthmus.ir.dim import Dim
from tvm.tirx.script import builder as tir

_DTYPES = ("float32", "int32", "uint32", "float16", "uint16")


def fits(extents: Sequence[Dim], order: Sequence[int], dtype: str, lanes: int) -> bool:
    """Whether there are squares to turn: both innermost axes are long, and known."""
    if dtype not in _DTYPES:
        return False
    sizes, order = merged(extents, order)
    last = len(sizes) - 1
    if last < 1 or order[last] == last:
        return False
    return all(isinstance(size, int) and size >= lanes for size in (sizes[last], sizes[order.index(last)]))


def merged(extents: Sequence[Any], order: Sequence[int]) -> tuple[list[Any], list[int]]:
    """The same copy with axes that follow each other on both sides taken as one; those of size 1 left out."""
    axes = [axis for axis, size in enumerate(extents) if not (isinstance(size, int) and size == 1)]
    ranks = {place: rank for rank, place in enumerate(sorted(order[axis] for axis in axes))}
    groups: list[list[int]] = []
    for axis in axes:
        follows = groups and ranks[order[axis]] == ranks[order[groups[-1][-1]]] + 1
        if follows:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    firsts = sorted(order[group[0]] for group in groups)
    return [product([extents[axis] for axis in group]) for group in groups], [firsts.index(order[g[0]]) for g in groups]


def copy_transposed(source: Buffer, result: Buffer, extents: Sequence[Any], order: Sequence[int], lanes: int) -> None:
    """result[i0, i1, ...] = source[j], where j[order[a]] is the index along the result's axis a.

    `extents` are the result's. What `fits` says must hold.
    """
    extents, order = merged(extents, order)
    source, result = view(source, [extents[order.index(axis)] for axis in range(len(order))]), view(result, extents)
    last = len(extents) - 1
    across = order.index(last)

    def read(place: Sequence[Expr], some: int) -> Expr:
        index: list[Expr] = [None] * len(place)
        for axis, position in zip(order, place, strict=True):
            index[axis] = position
        return load(source, index, some)

    squares = [size // lanes if axis in (across, last) else size for axis, size in enumerate(extents)]
    with nest(squares, is_large(extents)) as index:
        corner = [tir.bind(i * int64(lanes)) if axis in (across, last) else i for axis, i in enumerate(index)]
        rows = [tir.bind(read(_at(corner, last, k), lanes)) for k in range(lanes)]
        for k, column in enumerate(transposed(rows)):
            store(result, column, _at(corner, across, k), lanes)
    for axis in (across, last):
        begin = squares[axis] * lanes
        rest = [*extents]
        rest[axis] = extents[axis] - begin
        if axis == last:
            rest[across] = squares[across] * lanes
        if rest[axis]:
            with nest(rest, is_large(rest)) as index:
                place = _at(index, axis, begin)
                store(result, read(place, 1), place, 1)


def _at(index: Sequence[Expr], axis: int, offset: int) -> list[Expr]:
    """The index that many elements further along an axis."""
    return [i + int64(offset) if a == axis else i for a, i in enumerate(index)]
