"""Index arithmetic: the same memory seen with other shapes, and flat positions taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from isthmus.backends.tvm.kernels import Buffer, Expr
from tvm.tirx.script import builder as tir

Size = int | Expr


def view(buffer: Buffer, shape: Sequence[Size]) -> Buffer:
    """The buffer's memory under another shape of as many elements."""
    return tir.decl_buffer(tuple(shape), buffer.ty.dtype, data=buffer.data, align=_bytes(str(buffer.ty.dtype)))


def _bytes(dtype: str) -> int:
    return int("".join(c for c in dtype if c.isdigit())) // 8


def product(sizes: Sequence[Size]) -> Size:
    """How many elements a shape has."""
    return prod(sizes)


def unravel(flat: Expr | int, shape: Sequence[Size]) -> list[Expr | int]:
    """The index into `shape` of a row-major position; the outermost is not reduced, as it must be in range."""
    index: list[Expr | int] = []
    for size in reversed(shape[1:]):
        index.append(remainder(flat, size))
        flat = quotient(flat, size)
    return [*([flat] if shape else []), *reversed(index)]


def quotient(a: Expr | int, b: Size) -> Expr | int:
    """a // b of numbers that are not negative."""
    return a // b if isinstance(a, int) and isinstance(b, int) else tir.truncdiv(a, b)


def remainder(a: Expr | int, b: Size) -> Expr | int:
    """a % b of numbers that are not negative."""
    if isinstance(b, int) and b == 1:
        return 0
    return a % b if isinstance(a, int) and isinstance(b, int) else tir.truncmod(a, b)


def broadcast(index: Sequence[Expr | int], shape: Sequence[Size]) -> list[Expr | int]:
    """The index into `shape` for an index into what it broadcasts to: aligned at the end, 0 where a size is 1."""
    aligned = list(index)[len(index) - len(shape) :]
    return [0 if isinstance(size, int) and size == 1 else at for at, size in zip(aligned, shape, strict=True)]
