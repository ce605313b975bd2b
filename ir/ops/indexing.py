"""Ops that address elements by computed indices. Negative indices count from the end of their axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from isthmus.ir.dim import UNKNOWN, Dim
from isthmus.ir.errors import TypeRuleError
from isthmus.ir.op import SYMBOLIC, Any_, Float, Index, op
from isthmus.ir.ops.infer import check_axes, check_rank, check_same
from isthmus.ir.precision import fragile
from isthmus.ir.types import I64, Array, TensorType

_Reduction = Literal["none", "add", "mul", "max", "min"]
_COMBINE: dict[str, Any] = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _gather(x: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    check_axes((axis,), x.rank)
    return x.with_shape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


@op(infer=_gather, traits=SYMBOLIC)
def gather(x: Any_, indices: Index, *, axis: int) -> Array:
    """The slices of x along `axis` that `indices` name, in place of that axis; numpy.take."""
    return np.take(x, indices.astype(np.int64), axis=axis)


def _gather_elements(x: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    check_axes((axis,), x.rank)
    check_rank("indices", indices, x.rank)
    return x.with_shape(indices.shape)


@op(infer=_gather_elements)
def gather_elements(x: Any_, indices: Index, *, axis: int) -> Array:
    """For each place in `indices`, the element of x at the same place but with that index along `axis`."""
    places: list[Array] = list(np.indices(indices.shape, sparse=True))
    places[axis] = indices
    return x[tuple(places)]


def _gather_nd(x: TensorType, indices: TensorType, *, batch_dims: int) -> TensorType:
    depth = _index_depth(indices, x.rank - batch_dims)
    if not 0 <= batch_dims < indices.rank:
        raise TypeRuleError(f"{batch_dims} batch dimensions of {indices}")
    for a, b in zip(x.shape[:batch_dims], indices.shape[:batch_dims], strict=True):
        check_same("batch sizes", a, b)
    return x.with_shape((*indices.shape[:-1], *x.shape[batch_dims + depth :]))


@op(infer=_gather_nd)
def gather_nd(x: Any_, indices: Index, *, batch_dims: int = 0) -> Array:
    """The elements or slices of x that the vectors along the last axis of `indices` name, batch by batch."""
    batch: Sequence[Array] = np.indices(indices.shape[:batch_dims], sparse=True) if batch_dims else []
    extra = indices.ndim - 1 - batch_dims
    lead = [axis.reshape(*axis.shape, *[1] * extra) for axis in batch]
    return x[(*lead, *np.moveaxis(indices, -1, 0))]


def _scatter_elements(x: TensorType, indices: TensorType, updates: TensorType, *, axis: int, **_: Any) -> TensorType:
    check_axes((axis,), x.rank)
    check_rank("indices", indices, x.rank)
    check_rank("updates", updates, x.rank)
    for a, b in zip(indices.shape, updates.shape, strict=True):
        check_same("sizes of indices and updates", a, b)
    return x


@op(infer=_scatter_elements)
def scatter_elements(x: Any_, indices: Index, updates: Any_, *, axis: int, reduction: _Reduction = "none") -> Array:
    """x with updates written, or combined, where gather_elements would read; repeats combine in order."""
    places: list[Array] = list(np.indices(indices.shape, sparse=True))
    places[axis] = indices
    return _scattered(x, tuple(places), updates, reduction)


def _scatter_nd(x: TensorType, indices: TensorType, updates: TensorType, **_: Any) -> TensorType:
    depth = _index_depth(indices, x.rank)
    expected = (*indices.shape[:-1], *x.shape[depth:])
    check_rank("updates", updates, len(expected))
    for a, b in zip(expected, updates.shape, strict=True):
        check_same("sizes of updates and what indices name", a, b)
    return x


@op(infer=_scatter_nd)
def scatter_nd(x: Any_, indices: Index, updates: Any_, *, reduction: _Reduction = "none") -> Array:
    """x with updates written (or combined by `reduction`) where gather_nd would read; repeats combine in order."""
    return _scattered(x, tuple(np.moveaxis(indices, -1, 0)), updates, reduction)


def _one_hot(indices: TensorType, values: TensorType, *, depth: Dim, axis: int) -> TensorType:
    if values.shape != (2,):
        raise TypeRuleError(f"values is {values}, must be the two elements [off, on]")
    check_axes((axis,), indices.rank + 1)
    return values.with_shape((*indices.shape[:axis], depth, *indices.shape[axis:]))


@op(infer=_one_hot)
def one_hot(indices: Index, values: Any_, *, depth: Dim, axis: int) -> Array:
    """A new axis of `depth` elements: values[1] at the index (negative counts from the end), values[0] elsewhere."""
    assert isinstance(depth, int)
    at = np.expand_dims(np.where(indices < 0, indices + depth, indices), axis)
    steps = np.arange(depth).reshape([-1 if i == axis else 1 for i in range(at.ndim)])
    return np.where(at == steps, values[1], values[0])


def _non_zero(x: TensorType) -> TensorType:
    return TensorType(I64, (x.rank, UNKNOWN))


@op(infer=_non_zero)
def non_zero(x: Any_) -> Array:
    """The indices of all elements that differ from zero, in row-major order: i64 [rank, count]."""
    return np.array(np.nonzero(x), np.int64).reshape(x.ndim, -1)


def _trilu(x: TensorType, **_: Any) -> TensorType:
    if x.rank < 2:
        raise TypeRuleError(f"x is {x}, must have rank 2 or more")
    return x


@op(infer=_trilu)
def trilu(x: Any_, *, upper: bool = True, k: int = 0) -> Array:
    """The upper (or lower) triangle of the last two dimensions from diagonal k on; zeros elsewhere."""
    rows, columns = x.shape[-2:]
    kept = np.tri(rows, columns, k - 1 if upper else k, dtype=np.bool_)
    return np.where(~kept if upper else kept, x, np.zeros((), x.dtype))


def _nms(boxes: TensorType, scores: TensorType, **_: Any) -> TensorType:
    check_rank("boxes", boxes, 3)
    check_rank("scores", scores, 3)
    check_same("batches of boxes and scores", boxes.shape[0], scores.shape[0])
    check_same("numbers of boxes and scores", boxes.shape[1], scores.shape[2])
    return TensorType(I64, (UNKNOWN, 3))


@op(infer=_nms, precision=fragile("rounded overlaps fall on the other side of the threshold"))
def non_max_suppression(
    boxes: Float,
    scores: Float,
    *,
    max_per_class: int,
    iou_threshold: float,
    score_threshold: float,
    center_point_box: bool = False,
) -> Array:
    """Rows [batch, class, box] of the boxes kept, best first within a class.

    boxes [B, K, 4] as corners y1, x1, y2, x2 in any order, or as centre x, y, width, height; scores [B, classes, K].
    A box is dropped if its score is not above score_threshold or it overlaps a kept one by more than iou_threshold.
    """
    rows: list[tuple[int, int, int]] = []
    for batch, corners in enumerate(_corners(boxes, center_point_box)):
        for label, column in enumerate(scores[batch]):
            kept: list[int] = []
            for i in np.argsort(-column, kind="stable").tolist():
                if len(kept) >= max_per_class or not column[i] > score_threshold:
                    break
                if all(_overlap(corners[i], corners[j]) <= iou_threshold for j in kept):
                    kept.append(i)
            rows += [(batch, label, i) for i in kept]
    return np.array(rows, np.int64).reshape(-1, 3)


def _index_depth(indices: TensorType, limit: int) -> int:
    if indices.rank < 1 or not isinstance(depth := indices.shape[-1], int):
        raise TypeRuleError(f"the last size of indices {indices} must be a number")
    if not 1 <= depth <= limit:
        raise TypeRuleError(f"indices {indices} address {depth} axes of {limit}")
    return depth


def _scattered(x: Array, places: tuple[Array, ...], updates: Array, reduction: str) -> Array:
    result = x.copy()
    if reduction == "none":
        result[places] = updates
    else:
        _COMBINE[reduction].at(result, places, updates)
    return result


def _corners(boxes: Array, center_point_box: bool) -> Array:
    if center_point_box:
        x, y, w, h = np.moveaxis(boxes, -1, 0)
        return np.stack([y - h / 2, x - w / 2, y + h / 2, x + w / 2], axis=-1)
    y1, x1, y2, x2 = np.moveaxis(boxes, -1, 0)
    return np.stack([np.minimum(y1, y2), np.minimum(x1, x2), np.maximum(y1, y2), np.maximum(x1, x2)], axis=-1)


def _overlap(a: Array, b: Array) -> float:
    """Intersection over union of two corner boxes."""
    height = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0)
    width = max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
    shared = float(height * width)
    union = float((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])) - shared
    return shared / union if union > 0 else 0.0
