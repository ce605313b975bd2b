"""Elements by their positions.

Of an index before the first element the engine promises nothing along an axis of unknown size: such indices are counted
from the front first. One beyond an axis is an error of the meaning; the engine reads 0 there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isthmus.backends.emitter import emits
from isthmus.backends.tensorrt.library import library
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.ir.dim import Dim, bounds, product
from isthmus.ir.graph import Node, Value
from isthmus.ir.types import F32, I32, I64

MOST_BOXES = 5000
"""How many boxes of one image the engine's suppression considers (INMSLayer::setTopKBoxLimit)."""


@emits("gather")
def gather(n: Network, x: Handle, indices: Handle, *, axis: int) -> Handle:
    """Slices along an axis."""
    return n.gather(x, from_front(n, n.node.inputs[1], indices, n.x.shape[axis]), axis)


@emits("gather_elements")
def gather_elements(n: Network, x: Handle, indices: Handle, *, axis: int) -> Handle:
    """Element by element."""
    places = from_front(n, n.node.inputs[1], indices, n.x.shape[axis])
    layer = n.layer(n.definition.add_gather_v2(x, places, n.trt.GatherMode.ELEMENT))
    layer.axis = axis
    return n.of(layer)


@emits("gather_nd")
def gather_nd(n: Network, x: Handle, indices: Handle, *, batch_dims: int) -> Handle:
    """By vectors of indices."""
    places = _vectors_from_front(n, indices, n.x.shape[batch_dims:])
    layer = n.layer(n.definition.add_gather_v2(x, places, n.trt.GatherMode.ND))
    layer.num_elementwise_dims = batch_dims
    return n.of(layer)


def _combines(node: Node) -> str | None:
    if node.attrs["reduction"] != "none":
        return f"the engine's scatter replaces elements; it cannot combine them by {node.attrs['reduction']!r}"
    indices = node.inputs[1].array
    if indices is not None and _repeats(node, indices):
        return "two updates meet in one element, and the engine does not say which of them stays"
    return None


def _repeats(node: Node, indices: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> bool:
    """Whether constant indices name an element twice, along axes whose sizes are known."""
    x = node.inputs[0]
    if node.op.name == "scatter_elements":
        size = x.shape[node.attrs["axis"]]
        ordered = np.sort(_counted(indices, (size,)), axis=node.attrs["axis"])
        return bool((np.diff(ordered, axis=node.attrs["axis"]) == 0).any())
    vectors = _counted(indices, x.shape[: indices.shape[-1]]).reshape(-1, indices.shape[-1])
    return len(np.unique(vectors, axis=0)) < len(vectors)


def _counted(
    indices: np.ndarray[tuple[int, ...], np.dtype[np.int64]], sizes: Sequence[Dim]
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    known = np.array([size if isinstance(size, int) else 0 for size in sizes])
    return np.where(indices < 0, indices + known, indices)


@emits("scatter_elements", unless=_combines)
def scatter_elements(n: Network, x: Handle, indices: Handle, updates: Handle, *, axis: int, reduction: str) -> Handle:
    """Element by element; where indices repeat, which update stays is the engine's choice."""
    places = from_front(n, n.node.inputs[1], indices, n.x.shape[axis])
    layer = n.layer(n.definition.add_scatter(x, places, updates, n.trt.ScatterMode.ELEMENT))
    layer.axis = axis
    return n.of(layer)


@emits("scatter_nd", unless=_combines)
def scatter_nd(n: Network, x: Handle, indices: Handle, updates: Handle, *, reduction: str) -> Handle:
    """By vectors of indices; where these repeat, which update stays is the engine's choice."""
    places = _vectors_from_front(n, indices, n.x.shape)
    return n.of(n.definition.add_scatter(x, places, updates, n.trt.ScatterMode.ND))


def from_front(n: Network, value: Value, indices: Handle, size: Dim) -> Handle:
    """Indices into an axis, negative ones counted from its end; constants that have none as they are."""
    if (array := value.array) is not None and (array.size == 0 or array.min() >= 0):
        return indices
    length = n.cast(n.dims((size,)), value.dtype) if value.rank else n.cast(n.dim(size), value.dtype)
    return _counted_from(n, value, indices, length)


def _vectors_from_front(n: Network, indices: Handle, shape: Sequence[Dim]) -> Handle:
    value = n.node.inputs[1]
    if (array := value.array) is not None and (array.size == 0 or array.min() >= 0):
        return indices
    depth = value.shape[-1]
    assert isinstance(depth, int), "the op's type rule asks for it"
    return _counted_from(n, value, indices, n.cast(n.dims(shape[:depth]), value.dtype))


def _counted_from(n: Network, value: Value, indices: Handle, length: Handle) -> Handle:
    negative = n.elementwise("LESS", indices, n.scalar(0, value.dtype))
    return n.select(negative, n.elementwise("SUM", indices, length), indices)


@emits("one_hot")
def one_hot(n: Network, indices: Handle, values: Handle, *, depth: Dim, axis: int) -> Handle:
    """A comparison with every position: of indices out of range the engine's own layer promises nothing."""
    value = n.node.inputs[0]
    places = n.unsqueeze(_counted_from(n, value, indices, n.cast(n.dim(depth), value.dtype)), (axis,))
    rank = value.rank + 1
    steps = n.reshape(n.cast(n.range(depth), value.dtype), [depth if i == axis else 1 for i in range(rank)])
    off, on = (n.gather(values, n.scalar(i)) for i in (0, 1))
    return n.select(n.elementwise("EQUAL", places, steps), on, off)


def _data_dependent(node: Node) -> str | None:
    found = library()
    return None if found.counts_results else f"{found} has no kernel for results whose number only running can tell"


@emits("non_zero", unless=_data_dependent)
def non_zero(n: Network, x: Handle) -> Handle:
    """The engine's own."""
    return n.of(n.definition.add_non_zero(x, n.type(I64)))


@emits("trilu")
def trilu(n: Network, x: Handle, *, upper: bool, k: int) -> Handle:
    """A choice by a constant mask, or by comparing the positions of rows and columns of unknown number."""
    rows, columns = n.x.shape[-2:]
    if isinstance(rows, int) and isinstance(columns, int):
        lower = np.tri(rows, columns, k - 1 if upper else k, dtype=np.bool_)
        kept = n.constant(~lower if upper else lower)
    else:
        row = n.reshape(n.range(rows), (rows, 1))
        distance = n.elementwise("SUB", n.reshape(n.range(columns), (1, columns)), row)
        kept = n.elementwise("GREATER" if upper else "LESS", distance, n.scalar(k - 1 if upper else k + 1))
    return n.select(kept, x, n.scalar(0, n.x.dtype))


def _beyond_suppression(node: Node) -> str | None:
    boxes = node.inputs[0]
    if boxes.dtype.name == "bf16":
        return "the engine compares boxes in f32 and f16"
    if not 0 <= node.attrs["iou_threshold"] <= 1:
        return "the engine takes overlaps between 0 and 1"
    most = bounds(boxes.shape[1])[1]
    if most is None or most > MOST_BOXES:
        return f"the engine considers at most {MOST_BOXES} boxes of an image and drops others silently"
    return _data_dependent(node)


@emits("non_max_suppression", unless=_beyond_suppression)
def non_max_suppression(
    n: Network,
    boxes: Handle,
    scores: Handle,
    *,
    max_per_class: int,
    iou_threshold: float,
    score_threshold: float,
    center_point_box: bool,
) -> Handle:
    """The engine's own, each class as an image of its own: so it sorts by score within the class, not the image."""
    if not max_per_class:
        return n.constant(np.zeros((0, 3), np.int64))
    batch, count, _ = n.x.shape
    classes = n.node.inputs[1].shape[1]
    images = product((batch, classes))
    apart = n.broadcast(n.unsqueeze(boxes, (1,)), (batch, classes, count, 4))
    layer = n.layer(
        n.definition.add_nms(
            n.reshape(apart, (images, count, 4)),
            n.reshape(scores, (images, count, 1)),
            n.scalar(min(max_per_class, MOST_BOXES), I32),
            n.type(I64),
        )
    )
    formats = n.trt.BoundingBoxFormat
    layer.bounding_box_format = formats.CENTER_SIZES if center_point_box else formats.CORNER_PAIRS
    layer.set_input(3, n.scalar(iou_threshold, F32))
    layer.set_input(4, n.scalar(score_threshold, F32))
    image, _, box = (n.gather(n.of(layer), n.vector([column]), 1) for column in range(3))
    per_image = n.dims((classes,))
    whole = n.elementwise("FLOOR_DIV", image, per_image)
    label = n.elementwise("SUB", image, n.elementwise("PROD", whole, per_image))
    return n.concat([whole, label, box], 1)
