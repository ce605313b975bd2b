"""TensorArrays, the lists of TensorFlow 1: the flow carries the list, the handle only its name."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.lists import joined, length_of, read_item, stacked, with_item, with_slices
from isthmus.compiler.importers.tensorflow.operands import LoopList, PartialShape, ReservedList, TensorList
from isthmus.ir.dim import Dim, equal
from isthmus.ir.graph import Value
from isthmus.ir.types import DType


@lowers("TensorArrayV3")
def tensor_array(
    b: TfBuilder, count: Value, *, dtype: DType, element_shape: PartialShape = None, dynamic_size: bool = False
) -> tuple[ReservedList, ReservedList]:
    made = ReservedList(dtype, element_shape, count, dynamic_size)
    return made, made


@lowers("TensorArrayScatterV3")
def array_scatter(
    b: TfBuilder, handle: ReservedList, indices: Value, x: Value, flow: ReservedList | TensorList
) -> TensorList:
    return with_slices(b, flow, x, indices)


@lowers("TensorArrayReadV3")
def array_read(
    b: TfBuilder, handle: ReservedList, index: Value, flow: ReservedList | TensorList | LoopList, *, dtype: DType
) -> Value:
    return read_item(b, flow, index)


@lowers("TensorArrayWriteV3")
def array_write(
    b: TfBuilder, handle: ReservedList, index: Value, item: Value, flow: ReservedList | TensorList | LoopList
) -> TensorList | LoopList:
    start = flow.origin.start if isinstance(flow, LoopList) else flow
    return with_item(b, flow, index, item, isinstance(start, ReservedList) and start.grows)


@lowers("TensorArrayGatherV3")
def array_gather(
    b: TfBuilder,
    handle: ReservedList,
    indices: Value,
    flow: ReservedList | TensorList,
    *,
    dtype: DType,
    element_shape: PartialShape = None,
) -> Value:
    whole = stacked(b, flow, element_shape)
    if _counts_all(b, indices, whole.shape[0]):
        return whole
    return b.gather(whole, indices, axis=0)


@lowers("TensorArraySizeV3")
def array_size(b: TfBuilder, handle: ReservedList, flow: ReservedList | TensorList) -> Value:
    return length_of(b, flow)


@lowers("TensorArrayConcatV3")
def array_concat(
    b: TfBuilder, handle: ReservedList, flow: TensorList, *, dtype: DType, element_shape_except0: PartialShape = None
) -> Value:
    return joined(b, flow)


def _counts_all(b: TfBuilder, indices: Value, count: Dim) -> bool:
    node = indices.node
    while node is not None and node.op.name == "cast":
        node = node.inputs[0].node
    if node is not None and node.op.name == "iota":
        return equal(node.attrs["shape"][0], count) is True
    known = b.numbers(indices)
    return known is not None and known.tolist() == list(range(known.size)) and equal(known.size, count) is True
