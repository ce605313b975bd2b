"""torchvision's compiled ops by their definition, element by element, for a torch that torchvision was not built for.

Written from torchvision/csrc/ops/cpu: nms_kernel.cpp, roi_align_common.h and deform_conv2d_kernel.cpp. Importing this
imports torch.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch

from tests.support.export_models import declare_compiled_ops


@cache
def define_ops() -> None:
    """Let `torch.ops.torchvision.nms`, `roi_align` and `deform_conv2d` run, also without data."""
    library = declare_compiled_ops()
    for name, function, fake in (
        ("nms", nms, _nms_fake),
        ("roi_align", roi_align, _roi_align_fake),
        ("deform_conv2d", deform_conv2d, _deform_conv2d_fake),
    ):
        library.impl(name, function, "CPU")
        torch.library.register_fake(f"torchvision::{name}", fake, lib=library)


def nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Indices of the boxes kept, best first."""
    kept: list[int] = []
    for i in scores.sort(stable=True, descending=True)[1].tolist():
        if not any(_overlap(dets[i], dets[j]) > iou_threshold for j in kept):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64)


def roi_align(
    x: Any, rois: Any, scale: float, bins_high: int, bins_wide: int, sampling_ratio: int, aligned: bool
) -> Any:
    """The mean of samples in each bin of each region."""
    _, channels, height, width = x.shape
    found = torch.zeros(len(rois), channels, bins_high, bins_wide)
    for k, (image, *edges) in enumerate(rois):
        left, top, right, bottom = (edge * scale - (0.5 if aligned else 0.0) for edge in edges)
        wide, high = (right - left, bottom - top) if aligned else ((right - left).clamp(1), (bottom - top).clamp(1))
        step_y, step_x = high / bins_high, wide / bins_wide
        rows, columns = (sampling_ratio if sampling_ratio > 0 else math.ceil(step) for step in (step_y, step_x))
        for i in range(bins_high):
            for j in range(bins_wide):
                for sy in range(rows):
                    for sx in range(columns):
                        y = top + i * step_y + (sy + 0.5) * step_y / rows
                        x_ = left + j * step_x + (sx + 0.5) * step_x / columns
                        if -1 <= y <= height and -1 <= x_ <= width:
                            y, x_ = y.clamp(0, height - 1), x_.clamp(0, width - 1)
                            found[k, :, i, j] += _between(x[int(image)], float(y), float(x_))
        found[k] /= max(rows * columns, 1)
    return found


def deform_conv2d(
    x: Any,
    weight: Any,
    offset: Any,
    mask: Any,
    bias: Any,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Any:
    """A convolution whose taps lie at an offset from where they would."""
    n, c = x.shape[:2]
    kh, kw = weight.shape[2:]
    high, wide = offset.shape[2:]
    moved = offset.reshape(n, offset_groups, kh, kw, 2, high, wide)
    scale = mask.reshape(n, offset_groups, kh, kw, high, wide) if use_mask else torch.ones_like(moved[:, :, :, :, 0])
    taps = torch.zeros(n, c, kh, kw, high, wide)
    deep = c // offset_groups
    for index in torch.cartesian_prod(*map(torch.arange, (n, offset_groups, kh, kw, high, wide))).tolist():
        image, group, i, j, row, column = index
        down, right = moved[image, group, i, j, :, row, column].tolist()
        y = row * stride_h - pad_h + i * dilation_h + down
        x_ = column * stride_w - pad_w + j * dilation_w + right
        planes = slice(group * deep, (group + 1) * deep)
        met = _between(x[image, planes], y, x_) * scale[image, group, i, j, row, column]
        taps[image, planes, i, j, row, column] = met
    taps = taps.reshape(n, groups, c // groups, kh, kw, high, wide)
    kernels = weight.reshape(groups, -1, *weight.shape[1:])
    return torch.einsum("ngcijhw,gmcij->ngmhw", taps, kernels).reshape(n, -1, high, wide) + bias[:, None, None]


def _overlap(a: Any, b: Any) -> float:
    """Intersection over union; NaN, which is more than nothing, where both are empty."""
    wide = (torch.minimum(a[2], b[2]) - torch.maximum(a[0], b[0])).clamp(0)
    high = (torch.minimum(a[3], b[3]) - torch.maximum(a[1], b[1])).clamp(0)
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(wide * high / (areas - wide * high))


def _between(planes: Any, y: float, x: float) -> Any:
    """Planes [C, H, W] between the four pixels around a place; zero outside."""
    total = torch.zeros(planes.shape[0])
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < planes.shape[1] and 0 <= column < planes.shape[2]:
                total += planes[:, row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def _nms_fake(dets: Any, scores: Any, iou_threshold: float) -> Any:
    return dets.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)


def _roi_align_fake(x: Any, rois: Any, scale: float, high: int, wide: int, ratio: int, aligned: bool) -> Any:
    return x.new_empty(rois.shape[0], x.shape[1], high, wide)


def _deform_conv2d_fake(x: Any, weight: Any, offset: Any, *options: Any) -> Any:
    return x.new_empty(x.shape[0], weight.shape[0], *offset.shape[2:])
