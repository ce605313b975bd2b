"""The regions of an image that boxes cut out."""

from __future__ import annotations

from typing import Literal

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.regions import Bins, pooled_regions
from isthmus.compiler.importers.values import in_dtype
from isthmus.ir.errors import MalformedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64

_Mode = Literal["avg", "max"]


@lowers("RoiAlign", since=10)
def roi_align_of_10(
    b: OnnxBuilder,
    x: Value,
    rois: Value,
    batch_indices: Value,
    *,
    mode: _Mode = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Value:
    """Before operator set 16 pixel 0 had its centre at 0."""
    return _pooled(
        b, x, rois, batch_indices, Bins(output_height, output_width, sampling_ratio, False, spatial_scale, mode)
    )


@lowers("RoiAlign", since=16)
def roi_align(
    b: OnnxBuilder,
    x: Value,
    rois: Value,
    batch_indices: Value,
    *,
    coordinate_transformation_mode: Literal["half_pixel", "output_half_pixel"] = "half_pixel",
    mode: _Mode = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Value:
    """Regions [K, 4] (x1, y1, x2, y2) of images [K] of x: [K, C, output_height, output_width]."""
    aligned = coordinate_transformation_mode == "half_pixel"
    bins = Bins(output_height, output_width, sampling_ratio, aligned, spatial_scale, mode)
    return _pooled(b, x, rois, batch_indices, bins)


def _pooled(b: OnnxBuilder, x: Value, rois: Value, images: Value, bins: Bins) -> Value:
    if x.rank != 4 or rois.rank != 2 or rois.shape[1] != 4 or images.rank != 1:
        raise MalformedModel(f"RoiAlign: {x}, {rois} and {images} must be [N, C, H, W], [K, 4] and [K]")
    if bins.height < 1 or bins.width < 1:
        raise MalformedModel(f"RoiAlign: {bins.height} by {bins.width} bins")
    edges = [b.reshape(edge, shape=rois.shape[:1]) for edge in b.split(rois, axis=1, sizes=(1,) * 4)]
    return pooled_regions(b, x, in_dtype(b, images, I64), edges, bins)
