"""Boxes that overlap, and the regions of an image that boxes cut out: torchvision's own ops.

Their definitions are torchvision/csrc/ops/cpu/nms_kernel.cpp and roi_align_common.h.
"""

from __future__ import annotations

from isthmus.compiler.importers.torch.args import cast, number_of
from isthmus.compiler.importers.torch.bilinear import number, sampled
from isthmus.compiler.importers.torch.builder import Scalar, TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import Dim, bounds
from isthmus.ir.graph import Value
from isthmus.ir.types import F32, F64, I64

_ANY_NUMBER = (1 << 31) - 1
"""Of boxes, where none is the most."""


@aten("torchvision::nms")
def nms(b: TorchBuilder, x: Value, scores: Value, iou_threshold: Scalar) -> Value:
    """Of boxes [K, 4] (corners) those that overlap no better one by more than the threshold, best first.

    The boxes are put in order beforehand and their ranks taken for scores, so that scores of minus infinity or NaN
    and equal scores do as in torch, where scores only decide on the order.
    """
    count = x.shape[0]
    _, order = b.topk(scores, k=count, axis=0, largest=True)
    boxes = b.reshape(b.gather(x, order, axis=0), shape=(1, count, 4))
    wide = F64 if x.dtype == F64 else F32  # half floats do not tell thousands of ranks apart
    ranks = b.add(b.reverse(b.iota(dtype=wide, shape=(1, 1, count), axis=2), axes=(2,)), 1.0)
    rows = b.non_max_suppression(
        cast(b, boxes, wide),
        ranks,
        max_per_class=max(1, bounds(count)[1] or _ANY_NUMBER),
        iou_threshold=number_of(b, iou_threshold, "the overlap that is too much"),
        score_threshold=0.0,
    )
    kept = b.slice(rows, axes=(1,), starts=(2,), stops=(3,), steps=(1,))
    return b.gather(order, b.reshape(kept, shape=rows.shape[:1]), axis=0)


@aten("torchvision::roi_align")
def roi_align(
    b: TorchBuilder,
    x: Value,
    rois: Value,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Value:
    """The mean of samples in each bin of regions [K, 5] (image, x1, y1, x2, y2): [K, C, pooled_height, pooled_width].

    A bin has sampling_ratio samples each way, or as many as it has pixels where that is not positive.
    """
    n, c, height, width = x.shape
    k = rois.shape[0]
    image, *edges = (b.reshape(each, shape=(k,)) for each in b.split(rois, axis=1, sizes=(1,) * 5))
    left, top, right, bottom = (b.sub(b.mul(edge, spatial_scale), 0.5 if aligned else 0.0) for edge in edges)
    y, rows = _samples(b, top, bottom, pooled_height, sampling_ratio, aligned)
    x_, columns = _samples(b, left, right, pooled_width, sampling_ratio, aligned)
    y_used, x_used = (_is_used(b, at, count, size) for at, count, size in ((y, rows, height), (x_, columns, width)))
    down, across = (k, *y.shape[1:], 1, 1), (k, 1, 1, *x_.shape[1:])  # against each other: every sample of every bin
    used = b.logical_and(b.reshape(y_used, shape=down), b.reshape(x_used, shape=across))
    at = b.reshape(_clamped(b, y, height), shape=down), b.reshape(_clamped(b, x_, width), shape=across)
    pixels = b.reshape(b.transpose(x, perm=(0, 2, 3, 1)), shape=(n * height * width, c))
    first = b.mul(b.reshape(b.cast(image, dtype=I64), shape=(k, 1, 1, 1, 1)), number(b, height * width))
    found = sampled(b, pixels, first, at, (height, width))
    found = b.where(b.reshape(used, shape=(*used.shape, 1)), found, 0.0)
    total = b.transpose(b.reduce_sum(found, axes=(2, 4)), perm=(0, 3, 1, 2))
    return b.div(total, b.reshape(b.maximum(b.mul(rows, columns), 1.0), shape=(k, 1, 1, 1)))


def _samples(b: TorchBuilder, begin: Value, end: Value, bins: int, ratio: int, aligned: bool) -> tuple[Value, Value]:
    """Coordinates [K, bins, S] of samples along one side of regions, and how many [K] of the S in a bin count."""
    k = begin.shape[0]
    length = b.sub(end, begin)
    step = b.div(length if aligned else b.maximum(length, 1.0), float(bins))
    count = b.ceil(step) if ratio <= 0 else b.full(b.const(float(ratio), begin.dtype), shape=(k,))
    sample = cast(b, _up_to_most(b, count) if ratio <= 0 else b.iota(dtype=F32, shape=(ratio,), axis=0), begin.dtype)
    begin, step, each = (b.reshape(v, shape=(k, 1, 1)) for v in (begin, step, count))
    bin_begin = b.add(begin, b.mul(b.iota(dtype=step.dtype, shape=(1, bins, 1), axis=1), step))
    return b.add(bin_begin, b.div(b.mul(b.add(sample, 0.5), step), each)), count


def _up_to_most(b: TorchBuilder, counts: Value) -> Value:
    """0, 1, 2 ... below the greatest of the counts, at least 0 itself: f32."""
    one = b.const(1.0, F32)
    most = b.reduce_max(b.concat(cast(b, counts, F32), b.reshape(one, shape=(1,)), axis=0), axes=(0,))
    zero = b.full(b.const(0.0, F32), shape=(1,))
    return b.concat(zero, b.dynamic_iota(one, most, one), axis=0)


def _is_used(b: TorchBuilder, at: Value, count: Value, size: Dim) -> Value:
    """Whether samples [K, bins, S] are among those that count, and no more than a pixel outside."""
    sample = b.iota(dtype=at.dtype, shape=(1, 1, at.shape[2]), axis=2)
    counts = b.less(sample, b.reshape(count, shape=(at.shape[0], 1, 1)))
    limit = b.cast(number(b, size), dtype=at.dtype)
    return b.logical_and(counts, b.logical_and(b.greater_equal(at, -1.0), b.less_equal(at, limit)))


def _clamped(b: TorchBuilder, at: Value, size: Dim) -> Value:
    return b.minimum(b.maximum(at, 0.0), b.cast(b.sub(number(b, size), 1), dtype=at.dtype))
