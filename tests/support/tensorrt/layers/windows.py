"""What convolutions and poolings share: padding modes and the windows of a padded image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tests.support.tensorrt.element_types import Array


@dataclass(frozen=True)
class Axis:
    """One spatial axis: how many windows there are and how much is padded before and after the image."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    windows: int

    @property
    def reach(self) -> int:
        """Elements from the start of the image's padding to the end of the last window."""
        return (self.windows - 1) * self.stride + (self.kernel - 1) * self.dilation + 1


def axes(layer: Any, sizes: tuple[int, ...], kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[Axis, ...]:
    """The spatial axes by the formulas of NvInfer.h's PaddingMode, for convolution and pooling alike."""
    parts = zip(sizes, kernel, layer.stride_nd, dilation, layer.pre_padding, layer.post_padding, strict=True)
    return tuple(_axis(layer.padding_mode.name, *part) for part in parts)


def _axis(mode: str, size: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> Axis:
    extent = 1 + dilation * (kernel - 1)
    if mode.startswith("SAME"):
        windows = -(-size // stride)
        total = max((size - 1) // stride * stride + extent - size, 0)
        half, rest = total // 2, total - total // 2
        before, after = (half, rest) if mode == "SAME_UPPER" else (rest, half)
    else:
        span = size + before + after - extent
        windows = (-(-span // stride) if mode == "EXPLICIT_ROUND_UP" else span // stride) + 1
    return Axis(size, kernel, stride, dilation, before, after, windows)


def windows_of(x: Array, spatial: tuple[Axis, ...], filler: Any) -> Array:
    """A view [N, C, *windows, *kernel] of the padded image."""
    edges = [(a.before, max(a.reach - a.before - a.size, 0)) for a in spatial]
    padded = np.pad(x, [(0, 0), (0, 0), *edges], constant_values=filler) if any(map(any, edges)) else x
    over = tuple(range(2, x.ndim))
    extents = tuple(1 + a.dilation * (a.kernel - 1) for a in spatial)
    view = sliding_window_view(padded, extents, over)
    starts = tuple(slice(0, (a.windows - 1) * a.stride + 1, a.stride) for a in spatial)
    return view[(slice(None), slice(None), *starts, *(slice(None, None, a.dilation) for a in spatial))]
