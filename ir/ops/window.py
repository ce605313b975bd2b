"""Sliding windows in numpy: what convolutions and poolings are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.ir.types import Array


def padded(x: Array, pads: Sequence[tuple[int, int]], fill: Any) -> Array:
    """x [N, C, *spatial] with its spatial dimensions padded."""
    if not any(map(any, pads)):
        return x
    return np.pad(x, ((0, 0), (0, 0), *pads), constant_values=fill)


def windows(x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Array:
    """A view [N, C, *positions, *kernel] of x [N, C, *spatial]."""
    spatial = tuple(range(2, x.ndim))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    every = np.lib.stride_tricks.sliding_window_view(x, reach, axis=spatial)
    steps = tuple(slice(None, None, s) for s in strides)
    taps = tuple(slice(None, None, d) for d in dilations)
    return every[(slice(None), slice(None), *steps, *taps)]


def ceil_padding(
    size: int, count: int, kernel: int, stride: int, pad: tuple[int, int], dilation: int
) -> tuple[int, int]:
    """`pad` with the right side grown so that `count` windows fit."""
    needed = (count - 1) * stride + dilation * (kernel - 1) + 1
    return pad[0], max(pad[1], needed - size - pad[0])
