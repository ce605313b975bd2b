"""Non-maximum suppression."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import Array, numpy_type, wide
from tests.support.tensorrt.meaning import means


@means("INMSLayer")
def non_max_suppression(
    layer: Any,
    boxes: Array,
    scores: Array,
    most: Array,
    overlap: Array | None = None,
    threshold: Array | None = None,
) -> tuple[Array, Array]:
    """Rows (batch, class, box) sorted by batch, then by falling score, and their number.

    Scores must exceed the threshold; of those the `topk_box_limit` best of a batch item are considered, whatever their
    class; a box overlapping a chosen one of its class by more than the limit is dropped (NvInfer.h, INMSLayer).
    """
    limit = 0.0 if overlap is None else float(overlap)
    least = 0.0 if threshold is None else float(threshold)
    rows: list[tuple[int, int, int]] = []
    for item in range(scores.shape[0]):
        rows.extend((item, *chosen) for chosen in _selected(layer, boxes[item], scores[item], int(most), limit, least))
    indices_type = getattr(layer, "indices_type", None)
    dtype = np.dtype(np.int32) if indices_type is None else numpy_type(indices_type)
    return np.array(rows, dtype).reshape(-1, 3), np.array(len(rows), np.int32)


def _selected(layer: Any, boxes: Array, scores: Array, most: int, limit: float, least: float) -> list[tuple[int, int]]:
    by_class = wide(scores).T
    classes, places = np.nonzero(by_class > least)
    order = np.argsort(-by_class[classes, places], kind="stable")[: layer.topk_box_limit]
    corners = _corners(wide(boxes), layer.bounding_box_format.name)
    kept: dict[int, list[Array]] = {}
    chosen: list[tuple[int, int]] = []
    for c, b in zip(classes[order].tolist(), places[order].tolist(), strict=True):
        box = corners[b] if corners.ndim == 2 else corners[b, c]
        earlier = kept.setdefault(c, [])
        if len(earlier) < most and all(_overlap(box, other) <= limit for other in earlier):
            earlier.append(box)
            chosen.append((c, b))
    return chosen


def _corners(boxes: Array, form: str) -> Array:
    """(low x, low y, high x, high y): CORNER_PAIRS are any two opposite corners."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if form == "CENTER_SIZES":
        first, second = first - second / 2, first + second / 2
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], -1)


def _overlap(a: Array, b: Array) -> float:
    """Intersection over union."""
    sides = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0)
    common = float(sides.prod())
    union = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - common
    return common / union if union > 0 else 0.0
