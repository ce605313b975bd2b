"""TensorLists, the lists of TensorFlow 2."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.lists import (
    element_sizes,
    joined,
    length_of,
    read_item,
    stacked,
    with_item,
    with_slices,
)
from isthmus.compiler.importers.tensorflow.operands import LoopList, PartialShape, ReservedList, TensorList
from isthmus.ir.dim import less_equal
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import DType


@lowers("TensorListReserve")
def reserve(
    b: TfBuilder, element_shape: Value, count: Value, *, element_dtype: DType, shape_type: DType
) -> ReservedList:
    return ReservedList(element_dtype, element_sizes(b, element_shape), count)


@lowers("EmptyTensorList")
def empty(b: TfBuilder, element_shape: Value, most: Value, *, element_dtype: DType, shape_type: DType) -> ReservedList:
    return ReservedList(element_dtype, element_sizes(b, element_shape), None)


@lowers("TensorListFromTensor")
def from_tensor(b: TfBuilder, x: Value, element_shape: Value, *, element_dtype: DType, shape_type: DType) -> TensorList:
    return TensorList(x)


@lowers("TensorListStack")
def stack(
    b: TfBuilder,
    items: TensorList | ReservedList,
    element_shape: Value,
    *,
    element_dtype: DType,
    num_elements: int = -1,
) -> Value:
    return stacked(b, items, element_sizes(b, element_shape))


@lowers("TensorListGetItem")
def get_item(
    b: TfBuilder,
    items: TensorList | ReservedList | LoopList,
    index: Value,
    element_shape: Value,
    *,
    element_dtype: DType,
) -> Value:
    return read_item(b, items, index)


@lowers("TensorListSetItem")
def set_item(
    b: TfBuilder,
    items: TensorList | ReservedList | LoopList,
    index: Value,
    item: Value,
    *,
    element_dtype: DType,
    resize_if_index_out_of_bounds: bool = False,
) -> TensorList | LoopList:
    return with_item(b, items, index, item, resize_if_index_out_of_bounds)


@lowers("TensorListPushBack")
def push_back(
    b: TfBuilder, items: TensorList | ReservedList | LoopList, item: Value, *, element_dtype: DType
) -> TensorList | LoopList:
    if isinstance(items, LoopList):
        return items.push(item)
    row = b.reshape(item, shape=(1, *item.shape))
    if isinstance(items, ReservedList):
        if items.count is not None:
            raise UnsupportedModel("an element is added to a list of given length")
        return TensorList(row)
    return TensorList(b.concat(items.buffer, row, axis=0))


@lowers("TensorListPopBack")
def pop_back(
    b: TfBuilder, items: TensorList, element_shape: Value, *, element_dtype: DType
) -> tuple[TensorList, Value]:
    """The list without its last element, and that."""
    count = items.buffer.shape[0]
    if less_equal(1, count) is False:
        raise MalformedModel("an element is taken from an empty list")
    shorter, last = b.split(items.buffer, axis=0, sizes=(count - 1, 1))
    return TensorList(shorter), b.reshape(last, shape=items.buffer.shape[1:])


@lowers("TensorListLength")
def length(b: TfBuilder, items: TensorList | ReservedList) -> Value:
    return length_of(b, items)


@lowers("TensorListElementShape")
def element_shape_of(b: TfBuilder, items: TensorList, *, shape_type: DType) -> Value:
    return b.cast(b.dims(items.buffer.shape[1:]), dtype=shape_type)


@lowers("TensorListGather")
def gather_items(
    b: TfBuilder, items: TensorList, indices: Value, element_shape: Value, *, element_dtype: DType
) -> Value:
    return b.gather(items.buffer, indices, axis=0)


@lowers("TensorListScatterV2", "TensorListScatter")
def scatter_items(
    b: TfBuilder,
    x: Value,
    indices: Value,
    element_shape: Value,
    count: Value | None = None,
    *,
    element_dtype: DType,
    shape_type: DType,
) -> TensorList:
    """A new list with the slices of x at the given places; it is as long as the last place says, or `count`."""
    known, least = b.numbers(indices), None if count is None else b.numbers(count)
    if known is None or known.tolist() != list(range(known.size)) or (least is not None and least > known.size):
        raise UnsupportedModel("a list whose elements are not set in order")
    return TensorList(x)


@lowers("TensorListScatterIntoExistingList")
def scatter_into_list(
    b: TfBuilder, items: TensorList | ReservedList, x: Value, indices: Value, *, element_dtype: DType
) -> TensorList:
    return with_slices(b, items, x, indices)


@lowers("TensorListConcatV2")
def concat_items(
    b: TfBuilder,
    items: TensorList,
    element_shape: Value,
    leading: Value,
    *,
    element_dtype: DType,
    shape_type: DType | None = None,
) -> Value:
    return joined(b, items)


@lowers("TensorListConcat")
def concat_items_v1(
    b: TfBuilder, items: TensorList, *, element_dtype: DType, element_shape: PartialShape = None
) -> Value:
    return joined(b, items)
