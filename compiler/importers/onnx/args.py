"""Small things that lowerings of several families need: axes, scalars, broadcasting of old operator sets."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.onnx.tensors import MAX_RANK
from isthmus.ir.dim import Dim
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value


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


def axes_from(
    b: OnnxBuilder, operand: Value | None, attribute: tuple[int, ...] | None, rank: int
) -> tuple[int, ...] | None:
    """Axes given as an operand (newer operator sets) or an attribute (older ones); None if neither is."""
    given = attribute if operand is None else b.integers(operand, "axes")
    return None if given is None else normal_axes(given, rank)


def scalar(b: OnnxBuilder, x: Value) -> Value:
    """A tensor of one element as a scalar; ONNX is lenient about which it is."""
    return x if x.rank == 0 else b.reshape(x, shape=())


def reshaped(b: OnnxBuilder, x: Value, shape: Sequence[Dim]) -> Value:
    """x in another shape; x itself where it has it."""
    return x if x.shape == tuple(shape) else b.reshape(x, shape=tuple(shape))


def broadcast_from(b: OnnxBuilder, x: Value, y: Value, axis: int | None, broadcast: bool) -> Value:
    """y as operator sets before 7 lay it against x: from `axis` on, or from the right."""
    if not broadcast or axis is None:
        return y
    start = normal_axis(axis, x.rank)
    behind = x.rank - start - y.rank
    if behind < 0:
        raise MalformedModel(f"{y} does not fit {x} from axis {axis}")
    return reshaped(b, y, (*y.shape, *[1] * behind))


def rank_from(target: Value, what: str) -> int:
    """How many sizes a computed shape holds. UnsupportedModel where that is unknown or beyond any tensor's rank."""
    if target.rank != 1 or not isinstance(length := target.shape[0], int) or length > MAX_RANK:
        raise UnsupportedModel(f"{what}: the shape must be a vector of at most {MAX_RANK} elements, not {target}")
    return length
