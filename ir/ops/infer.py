"""Type rules that several ops share, and the shape arithmetic they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from isthmus.ir.dim import UNKNOWN, Dim, Shape, bounds, ceildiv, equal, maximum, minimum
from isthmus.ir.errors import TypeRuleError
from isthmus.ir.op import TypeRule
from isthmus.ir.types import BOOL, DType, TensorType


def like(index: int = 0) -> TypeRule:
    """The result has the type of operand `index`."""

    def rule(*types: TensorType, **_: Any) -> TensorType:
        return types[index]

    return rule


def elementwise(dtype: DType | None = None) -> TypeRule:
    """Operands broadcast; the result has the first operand's element type unless `dtype` is given."""

    def rule(*types: TensorType, **_: Any) -> TensorType:
        return TensorType(dtype or types[0].dtype, broadcast(*(t.shape for t in types if t is not None)))

    return rule


predicate = elementwise(BOOL)
"""Operands broadcast to a bool result."""


def reduction(dtype: DType | None = None) -> TypeRule:
    """Drops `axes`, or keeps them with size 1; the element type stays unless `dtype` is given."""

    def rule(x: TensorType, *, axes: tuple[int, ...], keepdims: bool, **_: Any) -> TensorType:
        check_axes(axes, x.rank)
        kept = [1 if i in axes else d for i, d in enumerate(x.shape) if keepdims or i not in axes]
        return TensorType(dtype or x.dtype, tuple(kept))

    return rule


def along_axis(x: TensorType, *others: TensorType | None, axis: int, **_: Any) -> TensorType:
    """The result has the first operand's type; `axis` must exist."""
    check_axes((axis,), x.rank)
    return x


def broadcast(*shapes: Shape) -> Shape:
    """The numpy broadcast of the shapes. TypeRuleError where sizes are known to clash.

    Two different symbolic sizes broadcast to their maximum: valid programs have them equal or one of them 1.
    """
    if all(s == shapes[0] for s in shapes[1:]):
        return shapes[0]
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    return tuple(reduce(lambda a, b: _broadcast_dim(a, b, shapes), column) for column in zip(*padded, strict=True))


def _broadcast_dim(a: Dim, b: Dim, shapes: Sequence[Shape]) -> Dim:
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    if isinstance(a, int) and isinstance(b, int):
        texts = " and ".join(f"[{', '.join(map(str, s))}]" for s in shapes)
        raise TypeRuleError(f"shapes {texts} do not broadcast: {a} against {b}")
    if isinstance(a, int) or isinstance(b, int):
        return a if isinstance(a, int) else b
    if bounds(a)[0] == 0 or bounds(b)[0] == 0:
        return UNKNOWN
    return maximum(a, b)


def check_axes(axes: Sequence[int], rank: int) -> None:
    """TypeRuleError unless the axes are distinct and lie in 0..rank-1."""
    for axis in axes:
        if not 0 <= axis < rank:
            raise TypeRuleError(
                f"axis {axis} does not exist in rank {rank}", hint="axes count from 0; none is negative"
            )
    if len(set(axes)) != len(axes):
        raise TypeRuleError(f"axes {list(axes)} repeat")


def check_same(what: str, a: Dim, b: Dim) -> None:
    """TypeRuleError where two sizes are known to differ."""
    if equal(a, b) is False:
        raise TypeRuleError(f"{what}: {a} and {b} differ")


def check_rank(name: str, x: TensorType, rank: int) -> None:
    """TypeRuleError unless x has that rank."""
    if x.rank != rank:
        raise TypeRuleError(f"{name} is {x}, must have rank {rank}")


def check_shape(shape: Shape) -> None:
    """TypeRuleError where a size is known to be negative."""
    for d in shape:
        high = bounds(d)[1]
        if high is not None and high < 0:
            raise TypeRuleError(f"size {d} is negative")


def window_size(
    size: Dim, kernel: int, stride: int, pad: tuple[int, int], dilation: int, ceil_mode: bool = False
) -> Dim:
    """How many windows fit: floor((size + pads - dilated kernel) / stride) + 1.

    In ceil mode a last partial window counts, unless it would start inside the right padding.
    """
    room = size + pad[0] + pad[1] - dilation * (kernel - 1) - 1
    if ceil_mode:
        count = minimum(ceildiv(room, stride) + 1, (size + pad[0] - 1) // stride + 1)
    else:
        count = room // stride + 1
    high = bounds(count)[1]
    if high is not None and high < 0:
        raise TypeRuleError(f"a window of {dilation * (kernel - 1) + 1} does not fit into {size} padded by {pad}")
    return count
