"""RoiAlign: the regions of an image that boxes cut out, each in a fixed number of bins.

The definition is torchvision/csrc/ops/cpu/roi_align_common.h; pooling by the largest is ONNX's and onnxruntime's
(onnx/reference/ops/op_roi_align.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.bilinear import weighed_pixels
from isthmus.compiler.importers.values import in_dtype, number
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value
from isthmus.ir.types import F32


@dataclass(frozen=True)
class Bins:
    """How regions are divided, and what becomes of the samples in a bin."""

    height: int
    width: int
    ratio: int
    """How many samples a bin has each way; where that is not positive, as many as it has pixels."""
    aligned: bool
    """Whether pixel 0 has its centre at 0.5, and a region may be smaller than a pixel."""
    scale: float
    """What the coordinates of regions are multiplied by to count pixels."""
    mode: Literal["avg", "max"] = "avg"
    """The mean of samples, or the largest of all weighed pixels around all samples."""


def pooled_regions(b: ImportBuilder, x: Value, images: Value, edges: Sequence[Value], bins: Bins) -> Value:
    """Regions of x [N, C, H, W] as [K, C, bins.height, bins.width].

    Region k lies in image images[k] (i64); `edges` are left, top, right and bottom, each [K], of the type of x.
    Samples more than a pixel outside of the image are zero, and so is a bin without samples.
    """
    n, c, height, width = x.shape
    k = edges[0].shape[0]
    left, top, right, bottom = (b.sub(b.mul(edge, bins.scale), 0.5 if bins.aligned else 0.0) for edge in edges)
    y, rows = _samples(b, top, bottom, bins.height, bins)
    x_, columns = _samples(b, left, right, bins.width, bins)
    down, across = (k, *y.shape[1:], 1, 1), (k, 1, 1, *x_.shape[1:])  # against each other: every sample of every bin
    counted = _against(b, _is_counted(b, y, rows), down, _is_counted(b, x_, columns), across)
    near = _against(b, _is_near(b, y, height), down, _is_near(b, x_, width), across)
    at = b.reshape(_clamped(b, y, height), shape=down), b.reshape(_clamped(b, x_, width), shape=across)
    pixels = b.reshape(b.transpose(x, perm=(0, 2, 3, 1)), shape=(n * height * width, c))
    first = b.mul(b.reshape(images, shape=(k, 1, 1, 1, 1)), number(b, height * width))
    weighed = weighed_pixels(b, pixels, first, at, (height, width))
    if bins.mode == "max":
        largest = b.where(near, reduce(lambda one, other: b.maximum(one, other), weighed), 0.0)
        found = b.reduce_max(b.where(counted, largest, -float("inf")), axes=(2, 4))
        found = b.where(b.reduce_any(counted, axes=(2, 4)), found, 0.0)
        return b.transpose(found, perm=(0, 3, 1, 2))
    sums = b.where(b.logical_and(counted, near), reduce(lambda one, other: b.add(one, other), weighed), 0.0)
    total = b.transpose(b.reduce_sum(sums, axes=(2, 4)), perm=(0, 3, 1, 2))
    return b.div(total, b.reshape(b.maximum(b.mul(rows, columns), 1.0), shape=(k, 1, 1, 1)))


def _samples(b: ImportBuilder, begin: Value, end: Value, count: int, bins: Bins) -> tuple[Value, Value]:
    """Coordinates [K, count, S] of samples along one side of regions, and how many [K] of the S in a bin count."""
    k, dtype = begin.shape[0], begin.dtype
    length = b.sub(end, begin)
    step = b.div(length if bins.aligned else b.maximum(length, 1.0), float(count))
    adaptive = bins.ratio <= 0
    each = b.ceil(step) if adaptive else b.full(b.const(float(bins.ratio), dtype), shape=(k,))
    sample = in_dtype(b, _up_to_most(b, each) if adaptive else b.iota(dtype=F32, shape=(bins.ratio,), axis=0), dtype)
    begin, step, divided = (b.reshape(v, shape=(k, 1, 1)) for v in (begin, step, each))
    bin_begin = b.add(begin, b.mul(b.iota(dtype=dtype, shape=(1, count, 1), axis=1), step))
    return b.add(bin_begin, b.div(b.mul(b.add(sample, 0.5), step), divided)), each


def _up_to_most(b: ImportBuilder, counts: Value) -> Value:
    """0, 1, 2 ... below the greatest of the counts, at least 0 itself: f32."""
    one = b.const(1.0, F32)
    most = b.reduce_max(b.concat(in_dtype(b, counts, F32), b.reshape(one, shape=(1,)), axis=0), axes=(0,))
    zero = b.full(b.const(0.0, F32), shape=(1,))
    return b.concat(zero, b.dynamic_iota(one, most, one), axis=0)


def _against(b: ImportBuilder, y: Value, down: tuple[Dim, ...], x: Value, across: tuple[Dim, ...]) -> Value:
    """Whether both hold, for each sample: [K, bins, S, bins, S, 1]."""
    return b.logical_and(b.reshape(y, shape=(*down, 1)), b.reshape(x, shape=(*across, 1)))


def _is_counted(b: ImportBuilder, at: Value, count: Value) -> Value:
    """Whether samples [K, bins, S] are among the first of their bin that count."""
    sample = b.iota(dtype=at.dtype, shape=(1, 1, at.shape[2]), axis=2)
    return b.expand(b.less(sample, b.reshape(count, shape=(at.shape[0], 1, 1))), shape=at.shape)


def _is_near(b: ImportBuilder, at: Value, size: Dim) -> Value:
    """Whether samples are no more than a pixel outside."""
    limit = b.cast(number(b, size), dtype=at.dtype)
    return b.logical_and(b.greater_equal(at, -1.0), b.less_equal(at, limit))


def _clamped(b: ImportBuilder, at: Value, size: Dim) -> Value:
    return b.minimum(b.maximum(at, 0.0), b.cast(b.sub(number(b, size), 1), dtype=at.dtype))
