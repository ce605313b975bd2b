"""Where a thread is: grids of blocks, and positions taken apart into indices.

Positions are 32-bit wherever all sizes are known and small enough, as GPUs divide 64-bit numbers slowly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any, TypeAlias

from isthmus.backends.tvm.api import script, tirx
from isthmus.backends.tvm.kernels import Expr

Size: TypeAlias = Any
"""A number or an int64 expression."""

_WIDEST = 1 << 31


def position_type(shapes: Sequence[Sequence[Size]]) -> str:
    """The type of positions in tensors of these shapes."""
    is_narrow = all(isinstance(d, int) for shape in shapes for d in shape) and all(map(_is_small, shapes))
    return "int32" if is_narrow else "int64"


@contextmanager
def grid(blocks: Size, threads: int, kind: str) -> Iterator[tuple[Expr, Expr]]:
    """As many blocks, and at least one since a launch of none is an error; the numbers of the block and the thread."""
    count = tirx.const(tiles(blocks, 1), kind) if isinstance(blocks, int) else tiles(blocks, 1)
    with (
        script.thread_binding(tirx.const(0, kind), count, thread="blockIdx.x") as block,
        script.thread_binding(tirx.const(0, kind), tirx.const(threads, kind), thread="threadIdx.x") as thread,
    ):
        yield block, thread


@contextmanager
def guarded(conditions: Sequence[Expr]) -> Iterator[None]:
    """Statements that are run where all conditions hold."""
    if not conditions:
        yield
        return
    with script.If(tirx.all(*conditions)), script.Then():
        yield


def within(position: Expr, extent: Size, step: int) -> list[Expr]:
    """The condition that a position is inside, unless steps of this size end there."""
    return [] if isinstance(extent, int) and extent % step == 0 else [position < extent]


def unravel(position: Expr, extents: Sequence[Size]) -> list[Expr]:
    """The index that a row-major position stands for."""
    index: list[Expr] = []
    for extent in reversed(extents[1:]):
        if isinstance(extent, int) and extent == 1:
            index.append(tirx.const(0, str(position.ty.dtype)))
            continue
        index.append(script.bind(tirx.truncmod(position, extent)))
        position = script.bind(tirx.truncdiv(position, extent))
    return [position, *reversed(index)] if extents else []


def ceil_div(size: Size, step: int) -> Size:
    """size / step, rounded up."""
    return -(-size // step) if isinstance(size, int) else tirx.truncdiv(size + (step - 1), step)


def tiles(size: Size, step: int) -> Size:
    """How many steps cover a size; one for none, since positions are divided by it."""
    return max(ceil_div(size, step), 1) if isinstance(size, int) else tirx.max(ceil_div(size, step), 1)


def volume(extents: Sequence[Size]) -> Size:
    """The product of sizes."""
    total: Size = 1
    for extent in extents:
        total = total * extent
    return total


def _is_small(shape: Sequence[int]) -> bool:
    return prod(shape) < _WIDEST
