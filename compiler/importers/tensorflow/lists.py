"""TensorLists and TensorArrays: lists of tensors of one shape, as tensors.

A list whose elements are all known is its stacked tensor. One that is only reserved becomes a tensor of zeros when the
first element shows what they look like. Inside a loop a list only remembers what is done to it.
"""

from __future__ import annotations

import numpy as np

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.tensorflow.args import reshaped, scalar
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.operands import LoopList, PartialShape, ReservedList, TensorList
from isthmus.compiler.importers.tensorflow.scope import Scope
from isthmus.ir.dim import Dim, Shape, equal, symbols
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I32, I64, TensorType


def is_empty(items: ReservedList | TensorList) -> bool:
    """Whether the list starts with no element."""
    return isinstance(items, ReservedList) and items.count is None


def count_of_list(b: ImportBuilder, items: ReservedList | TensorList) -> Dim | None:
    """How many elements there are, where that is known."""
    if isinstance(items, TensorList):
        return items.buffer.shape[0]
    known = None if items.count is None else b.sizes(items.count)
    return None if known is None else known[0]


def buffered(scope: Scope, items: ReservedList | TensorList, item: TensorType) -> TensorList:
    """The list as a tensor; elements not set yet are zeros, shaped as `item`."""
    if isinstance(items, TensorList):
        return items
    b = scope.builder
    if items.count is None:
        raise UnsupportedModel("a loop changes a list that grows in other ways than by one element an iteration")
    known = {s for v in _values(scope) for s in v.type.symbols()}
    if unknown := sorted(str(s) for d in item.shape for s in symbols(d) if s not in known):
        raise UnsupportedModel(f"the elements of a list have a size that is known inside a loop only: {unknown[0]}")
    zero = b.const(np.zeros((), item.dtype.numpy))
    sizes = b.sizes(items.count)
    if sizes is not None:
        return TensorList(b.full(zero, shape=(sizes[0], *item.shape)))
    count = _as_i64(b, b.reshape(items.count, shape=(1,)))
    return TensorList(b.dynamic_expand(zero, b.concat(count, b.dims(item.shape), axis=0) if item.rank else count))


def element_sizes(b: ImportBuilder, shape: Value) -> PartialShape:
    """The sizes an operand names, -1 for unknown ones; None where a scalar -1 leaves the rank open."""
    known = b.sizes(shape)
    if known is None or shape.rank == 0:
        return None
    return tuple(None if equal(d, -1) is True else d for d in known)


def read_item(b: TfBuilder, items: TensorList | ReservedList | LoopList, index: Value) -> Value:
    """The element at an index, which the caller knows to be there. UnsupportedModel where none is set yet."""
    if isinstance(items, LoopList):
        items.origin.reads += 1
        items = items.origin.start
    if isinstance(items, ReservedList):
        raise UnsupportedModel("an element of a list is read before any is set")
    return b.gather(items.buffer, scalar(b, index), axis=0)


def with_item(
    b: TfBuilder, items: TensorList | ReservedList | LoopList, index: Value, item: Value, grows: bool
) -> TensorList | LoopList:
    """The list with the element at an index replaced, or added behind the last one if the list grows."""
    if isinstance(items, LoopList):
        return items.write(index, item, grows)
    row = b.reshape(item, shape=(1, *item.shape))
    count, place = count_of_list(b, items), b.sizes(index)
    if grows and count is not None and place is not None and equal(place[0], count) is True:
        return TensorList(row if isinstance(items, ReservedList) else b.concat(items.buffer, row, axis=0))
    if grows and (count is None or equal(count, 0) is not False):
        raise UnsupportedModel("an element is written behind the end of a list, where only running tells")
    buffer = buffered(b.frame.scope, items, item.type).buffer
    if buffer.shape[0] == 1:
        return TensorList(reshaped(b, row, buffer.shape))
    return TensorList(b.scatter_nd(buffer, b.reshape(index, shape=(1, 1)), row))


def with_slices(b: TfBuilder, items: TensorList | ReservedList, x: Value, indices: Value) -> TensorList:
    """Slices of x become elements; all elements in order is what unstacking a tensor writes."""
    if not x.rank:
        raise MalformedModel("a list cannot be made of the slices of a number")
    known = b.known.of(indices)
    in_order = indices.node is not None and indices.node.op.name == "iota"
    if in_order or (known is not None and known.tolist() == list(range(known.size))):
        count = count_of_list(b, items)
        if count is None or equal(count, x.shape[0]) is not False:
            return TensorList(x)
    start = buffered(b.frame.scope, items, x.type.with_shape(x.shape[1:])).buffer
    return TensorList(b.scatter_nd(start, b.reshape(indices, shape=(*indices.shape, 1)), x))


def stacked(b: TfBuilder, items: TensorList | ReservedList, element: PartialShape) -> Value:
    """All elements along a new first axis; zeros of the given shape where none is set."""
    if isinstance(items, TensorList):
        return items.buffer
    sizes = element if items.element is None else items.element
    if items.count is None or sizes is None or any(d is None for d in sizes):
        raise UnsupportedModel("a list is stacked before any element is set")
    shape: Shape = tuple(d for d in sizes if d is not None)
    return buffered(b.frame.scope, items, TensorType(items.dtype, shape)).buffer


def joined(b: TfBuilder, items: TensorList) -> Value:
    """All elements one after another along their first axis."""
    count, first, *rest = items.buffer.shape
    return b.reshape(items.buffer, shape=(count * first, *rest))


def length_of(b: TfBuilder, items: TensorList | ReservedList) -> Value:
    """How many elements there are, as an i32 scalar."""
    if isinstance(items, ReservedList):
        return b.const(np.zeros((), np.int32)) if items.count is None else items.count
    return b.cast(b.reshape(b.dims(items.buffer.shape[:1]), shape=()), dtype=I32)


def _values(scope: Scope) -> list[Value]:
    return [*scope.graph.inputs, *(r for node in scope.graph.nodes for r in node.results)]


def _as_i64(b: ImportBuilder, x: Value) -> Value:
    return x if x.dtype == I64 else b.cast(x, dtype=I64)
