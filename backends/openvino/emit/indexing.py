"""Ops that address elements by computed indices."""

from __future__ import annotations

from isthmus.backends.emitter import emits
from isthmus.backends.openvino import integers
from isthmus.backends.openvino.emit.elementwise import selected
from isthmus.backends.openvino.network import Handle, Network
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node

_REDUCTIONS = {"none": "none", "add": "sum", "mul": "prod", "max": "max", "min": "min"}


@emits("gather")
def gather(n: Network, x: Handle, indices: Handle, *, axis: int) -> Handle:
    """The engine counts negative indices from the end."""
    return n.ops.gather(x, indices, n.scalar(axis))


@emits("gather_elements")
def gather_elements(n: Network, x: Handle, indices: Handle, *, axis: int) -> Handle:
    """One element for each index. The engine wants all sizes but the axis's alike: x is cut to them."""
    places = _from_start(n, indices, n.dims((n.x.shape[axis],)))
    for i, (have, wanted) in enumerate(zip(n.x.shape, n.node.inputs[1].shape, strict=True)):
        if i != axis and have != wanted:  # by gather: the engine takes slices before gather_elements away again
            x = n.ops.gather(x, n.ops.range(n.scalar(0), n.dim(wanted), n.scalar(1), "i64"), n.scalar(i))
    return n.ops.gather_elements(x, places, axis)


@emits("gather_nd")
def gather_nd(n: Network, x: Handle, indices: Handle, *, batch_dims: int) -> Handle:
    """Elements or slices named by index vectors."""
    depth = n.node.inputs[1].shape[-1]
    assert isinstance(depth, int)
    sizes = n.dims(n.x.shape[batch_dims : batch_dims + depth])
    return n.ops.gather_nd(x, _from_start(n, indices, sizes), batch_dims)


def _combines_integers(node: Node) -> str | None:
    dtype, how = node.inputs[0].dtype, node.attrs["reduction"]
    if how in ("none", "max", "min") or dtype.is_float or dtype.bits > 16:
        return None
    return f"the engine's {how} of {dtype} does not wrap around"


@emits("scatter_elements", unless=_combines_integers)
def scatter_elements(n: Network, x: Handle, indices: Handle, updates: Handle, *, axis: int, reduction: str) -> Handle:
    """The value already there takes part in reductions."""
    places = _from_start(n, indices, n.dims((n.x.shape[axis],)))
    return n.ops.scatter_elements_update(x, places, updates, n.scalar(axis), _REDUCTIONS[reduction], True)


@emits("scatter_nd", unless=_combines_integers)
def scatter_nd(n: Network, x: Handle, indices: Handle, updates: Handle, *, reduction: str) -> Handle:
    """Elements or slices written, or combined."""
    depth = n.node.inputs[1].shape[-1]
    assert isinstance(depth, int)
    places = _from_start(n, indices, n.dims(n.x.shape[:depth]))
    return n.ops.scatter_nd_update(x, places, updates, _REDUCTIONS[reduction])


@emits("one_hot")
def one_hot(n: Network, indices: Handle, values: Handle, *, depth: Dim, axis: int) -> Handle:
    """values[1] at the index, values[0] elsewhere."""
    places = _from_start(n, indices, n.dims((depth,)))
    return n.ops.one_hot(places, n.dim(depth), n.take(values, 1), n.take(values, 0), axis)


@emits("non_zero")
def non_zero(n: Network, x: Handle) -> Handle:
    """Indices as i64."""
    return n.ops.non_zero(x, "i64")


@emits("trilu")
def trilu(n: Network, x: Handle, *, upper: bool, k: int) -> Handle:
    """Where columns lie on the asked-for side of the diagonal."""
    rows, columns = (n.ops.range(n.scalar(0), n.dim(d), n.scalar(1), "i64") for d in n.x.shape[-2:])
    diagonal = n.ops.add(n.ops.unsqueeze(rows, n.scalar(1)), n.scalar(k))
    across = n.ops.unsqueeze(columns, n.scalar(0))
    kept = n.ops.less_equal(diagonal, across) if upper else n.ops.less_equal(across, diagonal)
    return selected(n, kept, x, n.like(0))


def _unsuited(node: Node) -> str | None:
    if node.attrs["max_per_class"] == 0:
        return "the engine divides by zero in ops that follow a selection of no boxes"
    return None if node.inputs[0].shape[2] == 4 else "the engine wants to see that a box is four numbers"


@emits("non_max_suppression", unless=_unsuited)
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
    """Class by class, without the engine's final sort."""
    found = n.ops.non_max_suppression(
        boxes,
        scores,
        n.scalar(max_per_class),
        n.like(iou_threshold),
        n.like(score_threshold),
        box_encoding="center" if center_point_box else "corner",
        sort_result_descending=False,
        output_type="i64",
    )
    return found.output(0)


def _from_start(n: Network, indices: Handle, sizes: Handle) -> Handle:
    """Indices with negative ones counted from the start; `sizes` broadcasts against their last axis."""
    element = indices.get_element_type()
    zero = n.ops.constant(0, element)
    shifted = n.ops.add(indices, n.ops.convert(sizes, element.to_string()))
    return integers.choose(n, n.ops.less(indices, zero), shifted, indices)
