"""Sequences of tensors. Their length is known while importing, so nothing of them is left in the graph."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import normal_axis, reshaped, scalar
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.onnx.scope import TensorList
from isthmus.ir.dim import Shape
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value

MAX_PARTS = 4096
"""Longer sequences are loops in disguise."""


@lowers("SequenceConstruct")
def sequence_construct(b: OnnxBuilder, x: Value, *xs: Value) -> TensorList:
    return TensorList((x, *xs))


@lowers("SequenceEmpty")
def sequence_empty(b: OnnxBuilder, *, dtype: int = 1) -> TensorList:
    return TensorList()


@lowers("SplitToSequence")
def split_to_sequence(
    b: OnnxBuilder, x: Value, sizes: Value | None = None, *, axis: int = 0, keepdims: bool = True
) -> TensorList:
    """Parts of given sizes; of one size, the last smaller if need be; or single slices, with or without their axis."""
    axis = normal_axis(axis, x.rank)
    parts = b.split(x, axis=axis, sizes=_part_sizes(b, x, sizes, axis))
    if sizes is not None or keepdims:
        return TensorList(parts)
    return TensorList(reshaped(b, part, (*part.shape[:axis], *part.shape[axis + 1 :])) for part in parts)


@lowers("SequenceAt")
def sequence_at(b: OnnxBuilder, items: TensorList, position: Value) -> Value:
    return items[_place(b, position, len(items))]


@lowers("SequenceInsert")
def sequence_insert(b: OnnxBuilder, items: TensorList, x: Value, position: Value | None = None) -> TensorList:
    at = len(items) if position is None else _place(b, position, len(items), ends=1)
    return TensorList((*items[:at], x, *items[at:]))


@lowers("SequenceErase")
def sequence_erase(b: OnnxBuilder, items: TensorList, position: Value | None = None) -> TensorList:
    at = _place(b, position, len(items)) if position is not None else len(items) - 1
    return TensorList((*items[:at], *items[at + 1 :]))


@lowers("SequenceLength")
def sequence_length(b: OnnxBuilder, items: TensorList) -> Value:
    return b.const(len(items))


@lowers("ConcatFromSequence")
def concat_from_sequence(b: OnnxBuilder, items: TensorList, *, axis: int, new_axis: bool = False) -> Value:
    if not items:
        raise MalformedModel("ConcatFromSequence of no tensors")
    at = normal_axis(axis, items[0].rank + new_axis)
    parts = [reshaped(b, x, (*x.shape[:at], 1, *x.shape[at:])) if new_axis else x for x in items]
    return b.concat(*parts, axis=at) if len(parts) > 1 else parts[0]


def _part_sizes(b: OnnxBuilder, x: Value, sizes: Value | None, axis: int) -> Shape:
    known = (1,) if sizes is None else b.sizes(sizes)
    if known is None:
        raise UnsupportedModel("SplitToSequence: sizes must depend on nothing but input shapes")
    if sizes is not None and sizes.rank:
        return known
    total, (part,) = x.shape[axis], known
    if not isinstance(total, int) or not isinstance(part, int):
        raise UnsupportedModel(f"SplitToSequence: how many parts of {part} there are in {total} is not known")
    if part < 1 or -(-total // part) > MAX_PARTS:
        raise UnsupportedModel(f"SplitToSequence: {total} in parts of {part}")
    return tuple(min(part, total - start) for start in range(0, total, part))


def _place(b: OnnxBuilder, position: Value, length: int, ends: int = 0) -> int:
    (at,) = b.integers(scalar(b, position), "a position in a sequence")
    if not -length <= at < length + ends:
        raise MalformedModel(f"position {at} does not exist in a sequence of {length}")
    return at + length if at < 0 else at
