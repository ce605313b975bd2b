"""Non-maximum suppression."""

from __future__ import annotations

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.args import converted, reshaped, scalar
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.windows import static
from isthmus.ir.dim import Dim, bounds, equal, minimum
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import F32, I32

_LOWEST = float(np.finfo(np.float32).min)


@lowers("NonMaxSuppression")
def nms(b: TfBuilder, boxes: Value, scores: Value, most: Value, *, iou_threshold: float = 0.5) -> Value:
    return _kept(b, boxes, scores, most, iou_threshold, _LOWEST)


@lowers("NonMaxSuppressionV2")
def nms_v2(b: TfBuilder, boxes: Value, scores: Value, most: Value, iou: Value) -> Value:
    return _kept(b, boxes, scores, most, _number(b, iou, "iou_threshold"), _LOWEST)


@lowers("NonMaxSuppressionV3")
def nms_v3(b: TfBuilder, boxes: Value, scores: Value, most: Value, iou: Value, least: Value) -> Value:
    return _kept(b, boxes, scores, most, _number(b, iou, "iou_threshold"), _number(b, least, "score_threshold"))


@lowers("NonMaxSuppressionV4")
def nms_v4(
    b: TfBuilder,
    boxes: Value,
    scores: Value,
    most: Value,
    iou: Value,
    least: Value,
    *,
    pad_to_max_output_size: bool = False,
) -> tuple[Value, Value]:
    """Also yields how many there are; padding is zeros."""
    found = _kept(b, boxes, scores, most, _number(b, iou, "iou_threshold"), _number(b, least, "score_threshold"))
    return _padded(b, found, most, pad_to_max_output_size), _length(b, found)


@lowers("NonMaxSuppressionV5")
def nms_v5(
    b: TfBuilder,
    boxes: Value,
    scores: Value,
    most: Value,
    iou: Value,
    least: Value,
    sigma: Value,
    *,
    pad_to_max_output_size: bool = False,
) -> tuple[Value, Value, Value]:
    """Also yields the scores kept. Soft suppression (sigma > 0) changes them as it goes, and is refused."""
    if _number(b, sigma, "soft_nms_sigma") != 0:
        raise UnsupportedModel("NonMaxSuppressionV5 with soft_nms_sigma above 0")
    found = _kept(b, boxes, scores, most, _number(b, iou, "iou_threshold"), _number(b, least, "score_threshold"))
    picked = b.gather(scores, found, axis=0)
    return (
        _padded(b, found, most, pad_to_max_output_size),
        _padded(b, picked, most, pad_to_max_output_size),
        _length(b, found),
    )


@lowers("CombinedNonMaxSuppression")
def combined_nms(
    b: TfBuilder,
    boxes: Value,
    scores: Value,
    most_per_class: Value,
    most: Value,
    iou: Value,
    least: Value,
    *,
    pad_per_class: bool = False,
    clip_boxes: bool = True,
) -> tuple[Value, Value, Value, Value]:
    """boxes [N, K, q, 4] with q = 1 or one a class, scores [N, K, C]: per class, then the best of all classes.

    Where a class keeps fewer than it may, empty places rank behind all others. The results are padded with zeros.
    """
    batch, count, shared, _ = boxes.shape
    classes = scores.shape[2]
    each, total = _size(b, most_per_class), _size(b, most)
    classes, total, count, each = static((classes, total, count, each), "CombinedNonMaxSuppression")
    each = min(each, count)
    threshold, floor = _number(b, iou, "iou_threshold"), _number(b, least, "score_threshold")
    ranks = b.transpose(scores, perm=(0, 2, 1))  # [N, C, K]
    if shared == 1:
        corners = b.reshape(boxes, shape=(batch, count, 4))
        kept = b.non_max_suppression(corners, ranks, max_per_class=each, iou_threshold=threshold, score_threshold=floor)
    else:
        # Every class has boxes of its own: it is an image of its own.
        corners = b.reshape(b.transpose(boxes, perm=(0, 2, 1, 3)), shape=(batch * classes, count, 4))
        ranks = b.reshape(ranks, shape=(batch * classes, 1, count))
        kept = b.non_max_suppression(corners, ranks, max_per_class=each, iou_threshold=threshold, score_threshold=floor)
    images, groups = (batch, classes) if shared == 1 else (batch * classes, 1)
    mask = b.scatter_nd(
        b.full(b.const(0.0), shape=(images, groups, count)),
        kept,
        b.full(b.const(1.0), shape=(kept.shape[0],)),
    )
    flat = b.reshape(mask, shape=(batch, classes * count))
    alive = b.greater(flat, 0.5)
    ranking = b.where(alive, b.reshape(ranks, shape=(batch, classes * count)), -np.inf)
    k = min(total, each * classes if pad_per_class else total, classes * count)
    best, places = b.topk(ranking, k=k, axis=1)
    valid = b.greater(best, -np.inf)
    labels, rows = b.floor_div(places, count), b.mod(places, count)
    index = rows if shared == 1 else places
    source = b.reshape(corners, shape=(batch, count if shared == 1 else classes * count, 4))
    picked = b.gather_nd(source, b.reshape(index, shape=(batch, k, 1)), batch_dims=1)
    picked = b.clip(picked, 0.0, 1.0) if clip_boxes else picked
    wide = b.reshape(valid, shape=(batch, k, 1))
    size = min(total, each * classes) if pad_per_class else total
    results = [b.where(wide, picked, 0.0), b.where(valid, best, 0.0), b.where(valid, b.cast(labels, dtype=F32), 0.0)]
    padded = [b.pad(x, pads=((0, 0), (0, size - k), *[(0, 0)] * (x.rank - 2))) if size > k else x for x in results]
    counts = b.cast(b.reduce_sum(b.cast(valid, dtype=I32), axes=(1,)), dtype=I32)
    return padded[0], padded[1], padded[2], counts


def _kept(b: TfBuilder, boxes: Value, scores: Value, most: Value, iou: float, least: float) -> Value:
    """The indices i32 of the boxes [K, 4] kept, best first."""
    count = boxes.shape[0]
    limit = _size(b, most)
    if not isinstance(limit, int):
        _, high = bounds(limit)  # min(100, how many there are) is no more than 100
        if high is None or equal(limit, minimum(high, count)) is not True:
            raise UnsupportedModel(f"non-maximum suppression that keeps {limit} boxes, which is no number")
        limit = high
    rows = b.non_max_suppression(
        converted(b, b.reshape(boxes, shape=(1, count, 4)), F32),
        converted(b, b.reshape(scores, shape=(1, 1, count)), F32),
        max_per_class=limit,
        iou_threshold=iou,
        score_threshold=least,
    )
    column = b.slice(rows, axes=(1,), starts=(2,), stops=(3,), steps=(1,))
    return b.cast(b.reshape(column, shape=(rows.shape[0],)), dtype=I32)


def _padded(b: TfBuilder, x: Value, most: Value, pad: bool) -> Value:
    if not pad:
        return x
    limit = _size(b, most)
    amounts = b.concat(b.const(np.zeros(1, np.int64)), b.sub(b.dims((limit,)), b.shape_of(x)), axis=0)
    return reshaped(b, b.dynamic_pad(x, amounts, mode="constant"), (limit,))


def _length(b: TfBuilder, x: Value) -> Value:
    return b.cast(b.reshape(b.shape_of(x), shape=()), dtype=I32)


def _size(b: TfBuilder, operand: Value) -> Dim:
    known = b.sizes(scalar(b, operand))
    if known is None:
        raise UnsupportedModel("non-maximum suppression that keeps a computed number of boxes")
    return minimum(known[0], 1 << 20)


def _number(b: TfBuilder, operand: Value, what: str) -> float:
    known = b.numbers(operand)
    if known is None or known.size != 1:
        raise UnsupportedModel(f"{what} must be constant, but is computed from inputs")
    return float(str(known.reshape(-1)[0]))
