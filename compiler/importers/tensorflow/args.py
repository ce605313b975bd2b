"""Small things that lowerings of several families need: axes, scalars, shapes given as tensors."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.tensorflow.tensors import MAX_RANK
from isthmus.ir.dim import Dim, Shape, equal, floordiv, product
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64, DType


def normal_axis(axis: int, rank: int) -> int:
    """The axis counted from the front. MalformedModel if there is none."""
    if not -rank <= axis < rank:
        raise MalformedModel(f"axis {axis} does not exist in rank {rank}")
    return axis % rank


def normal_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """The axes counted from the front. MalformedModel where one does not exist or occurs twice."""
    found = tuple(normal_axis(axis, rank) for axis in axes)
    if len(set(found)) < len(found):
        raise MalformedModel(f"axes {list(axes)} repeat")
    return found


def axis_from(b: ImportBuilder, operand: Value, rank: int, what: str) -> int:
    """An axis given as a tensor of one element, which must be constant."""
    found = b.integers(operand, f"{what}: the axis")
    if len(found) != 1:
        raise MalformedModel(f"{what}: {len(found)} axes are given, not one")
    return normal_axis(found[0], rank)


def scalar(b: ImportBuilder, x: Value) -> Value:
    """A tensor of one element as a scalar."""
    return x if x.rank == 0 else b.reshape(x, shape=())


def reshaped(b: ImportBuilder, x: Value, shape: Sequence[Dim]) -> Value:
    """x in another shape; x itself where it has it."""
    return x if x.shape == tuple(shape) else b.reshape(x, shape=tuple(shape))


def converted(b: ImportBuilder, x: Value, dtype: DType) -> Value:
    """x in another element type; x itself where it has it."""
    return x if x.dtype == dtype else b.cast(x, dtype=dtype)


def index_vector(b: ImportBuilder, x: Value) -> Value:
    """Sizes or positions as an i64 vector."""
    return converted(b, x if x.rank == 1 else b.reshape(x, shape=(1,)), I64)


def rank_from(target: Value, what: str) -> int:
    """How many sizes a computed shape holds. UnsupportedModel where that is unknown or beyond any tensor's rank."""
    if target.rank != 1 or not isinstance(length := target.shape[0], int) or length > MAX_RANK:
        raise UnsupportedModel(f"{what}: the shape must be a vector of at most {MAX_RANK} elements, not {target}")
    return length


def resolved_shape(x: Value, wanted: Shape) -> Shape:
    """`wanted` with -1 read as what remains of x's elements."""
    open_ = [i for i, d in enumerate(wanted) if equal(d, -1) is True]
    if not open_:
        return wanted
    if len(open_) > 1:
        raise MalformedModel(f"more than one -1 in {list(wanted)}")
    kept, counted = [d for i, d in enumerate(wanted) if i not in open_], list(x.shape)
    for d in [d for d in kept if not isinstance(d, int)]:
        if d in counted:  # a size of 0 on both sides says nothing about the rest
            kept.remove(d)
            counted.remove(d)
    rest, total = product(kept), product(counted)
    if rest == 0:
        raise MalformedModel(f"{list(wanted)} leaves -1 open for {x}")
    if isinstance(total, int) and isinstance(rest, int) and total % rest:
        raise MalformedModel(f"{x} does not fill {list(wanted)}")
    return tuple(floordiv(total, rest) if i in open_ else d for i, d in enumerate(wanted))


def limits(b: ImportBuilder, x: Value) -> tuple[int | None, int | None]:
    """What an integer scalar is at least and at most, by what minimum and maximum say; None is no limit."""
    known = b.numbers(x)
    if known is not None:
        return known.item(), known.item()
    if x.node is None or x.node.op.name not in ("minimum", "maximum"):
        return None, None
    sides = [limits(b, v) for v in x.node.inputs]
    pick = min if x.node.op.name == "minimum" else max
    found = []
    for all_needed, ends in zip((pick is min, pick is max), zip(*sides, strict=True), strict=True):
        numbers = [end for end in ends if end is not None]
        found.append(pick(numbers) if numbers and (len(numbers) == 2 or not all_needed) else None)
    return found[0], found[1]
