"""Boxes that overlap, and the regions of an image that boxes cut out: torchvision's own ops.

Their definitions are torchvision/csrc/ops/cpu/nms_kernel.cpp and roi_align_kernel.cpp.
"""

from __future__ import annotations

from isthmus.compiler.importers.regions import Bins, pooled_regions
from isthmus.compiler.importers.torch.args import cast, number_of
from isthmus.compiler.importers.torch.builder import Scalar, TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import bounds
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
    image, *edges = (b.reshape(each, shape=rois.shape[:1]) for each in b.split(rois, axis=1, sizes=(1,) * 5))
    bins = Bins(pooled_height, pooled_width, sampling_ratio, aligned, spatial_scale)
    return pooled_regions(b, x, b.cast(image, dtype=I64), edges, bins)
