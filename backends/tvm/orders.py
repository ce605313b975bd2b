"""In which order axes lie in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.backends.tvm.kernels import Perm


def row_major(rank: int) -> Perm:
    """The order of axes that numpy gives new arrays."""
    return tuple(range(rank))


def channels_last(rank: int) -> Perm:
    """[N, C, *spatial] stored as [N, *spatial, C]."""
    return (0, *range(2, rank), 1)


def stored(index: Sequence[Any], perm: Perm) -> list[Any]:
    """A logical index (or shape) in the order of memory."""
    return [index[axis] for axis in perm]


def logical(index: Sequence[Any], perm: Perm) -> list[Any]:
    """An index (or shape) in the order of memory in logical order: undoes `stored`."""
    return [index[perm.index(axis)] for axis in range(len(perm))]
