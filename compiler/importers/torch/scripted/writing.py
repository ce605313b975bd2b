"""Views, and writing through them: what in-place ops do to memory, said as new values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from isthmus.compiler.importers.torch import shape, slicing
from isthmus.compiler.importers.torch.args import axes_of, axis_of, expanded, reshaped, tensor
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.ir.graph import Value
from isthmus.ir.types import I64

WriteBack: TypeAlias = Callable[..., Value]
"""(builder, what the base holds, what the view shall hold, the view's other arguments) -> what the base shall hold."""


def replaced(b: TorchBuilder, x: Value, piece: Value, axis: int, index: Value) -> Value:
    """x with `piece` at a computed, non-negative index of an axis."""
    places = b.reshape(
        b.iota(dtype=I64, shape=(x.shape[axis],), axis=0),
        shape=tuple(x.shape[axis] if i == axis else 1 for i in range(x.rank)),
    )
    wide = b.reshape(piece, shape=(*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    return expanded(b, b.where(b.equal(places, index), wide, x), x.shape)


def _select(b: TorchBuilder, x: Value, new: Value, dim: int, index: Any) -> Value:
    if not isinstance(index, Value):
        return slicing.select_scatter(b, x, new, dim, index)
    axis = axis_of(dim, x.rank)
    size = tensor(b, x.shape[axis], I64)
    return replaced(b, x, new, axis, b.where(b.less(index, b.const(0)), b.add(index, size), index))


def _slice(b: TorchBuilder, x: Value, new: Value, dim: int, start: Any, end: Any, step: int) -> Value:
    return slicing.slice_scatter(b, x, new, dim, start, end, step)


def _narrow(b: TorchBuilder, x: Value, new: Value, dim: int, start: Any, length: Any) -> Value:
    return slicing.slice_scatter(b, x, new, dim, start, start + length, 1)


def _reshape(b: TorchBuilder, x: Value, new: Value, *options: Any) -> Value:
    return reshaped(b, new, x.shape)


def _transpose(b: TorchBuilder, x: Value, new: Value, dim0: int, dim1: int) -> Value:
    return shape.transpose(b, new, dim0, dim1)


def _permute(b: TorchBuilder, x: Value, new: Value, dims: Sequence[int]) -> Value:
    axes = axes_of(dims, x.rank)
    return shape.permute(b, new, [axes.index(i) for i in range(x.rank)])


def _t(b: TorchBuilder, x: Value, new: Value) -> Value:
    return shape.t(b, new)


_RESHAPING = ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as")

VIEWS: dict[str, WriteBack | None] = {
    "select": _select,
    "slice": _slice,
    "narrow": _narrow,
    **dict.fromkeys(_RESHAPING, _reshape),
    "transpose": _transpose,
    "permute": _permute,
    "t": _t,
    "expand": None,
    "expand_as": None,
    "broadcast_to": None,
    "diagonal": None,
    "unfold": None,
    "movedim": None,
    "swapaxes": _transpose,
}
"""Ops whose result lies in their argument's memory, and how to write through it."""

SAME = ("alias", "detach", "detach_", "requires_grad_", "data", "cpu")
"""Ops whose result is the argument itself."""

COPIES_IF_SPREAD = ("reshape", "flatten", "unflatten", "reshape_as", "contiguous")
"""Ops that copy an argument whose elements do not lie side by side; of others they give a view, or the argument."""

SAME_IF_FITTING = ("to", "type_as")
"""Ops whose result is the argument itself where it has the type asked for."""

PARTS = ("unbind", "split", "split_with_sizes", "chunk", "tensor_split")
"""Ops whose results lie in their argument's memory side by side."""


def stays_dense(op: str, args: Sequence[Any]) -> bool:
    """Whether the view op leaves elements that lie side by side so; `args` follow the tensor."""
    if op in ("select", "narrow"):
        return bool(args[0] == 0)
    if op == "slice":
        return bool(args[0] == 0 and args[3] == 1)
    return op in _RESHAPING


def part_written(
    b: TorchBuilder, op: str, x: Value, pieces: Sequence[Value], index: int, new: Value, dim: int
) -> Value:
    """x with `new` in place of piece number `index`."""
    axis = axis_of(dim, x.rank)
    parts = [new if i == index else piece for i, piece in enumerate(pieces)]
    if op == "unbind":
        parts = [b.reshape(p, shape=(*p.shape[:axis], 1, *p.shape[axis:])) for p in parts]
    return b.concat(*parts, axis=axis) if len(parts) > 1 else parts[0]
