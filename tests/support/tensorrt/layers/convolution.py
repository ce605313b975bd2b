"""Convolution and deconvolution over NC... tensors.

Narrow floats accumulate in f32; the bias is added before rounding.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import Array, wide
from tests.support.tensorrt.layers.windows import axes, windows_of
from tests.support.tensorrt.meaning import means
from tests.support.tensorrt.weights import weights_array


@means("IConvolutionLayer")
def convolution(layer: Any, x: Array, kernel: Array | None = None, bias: Array | None = None) -> Array:
    """A correlation; weights are [maps, channels / groups, *kernel], given with the layer or as its second input."""
    size, groups, maps = tuple(layer.kernel_size_nd), int(layer.num_groups), int(layer.num_output_maps)
    weight = _parameter(kernel, layer.kernel).reshape(groups, maps // groups, -1)
    spatial = axes(layer, x.shape[2:], size, tuple(layer.dilation_nd))
    windows = windows_of(wide(x), spatial, 0)
    batch, channels = x.shape[:2]
    counts = tuple(a.windows for a in spatial)
    rank = len(size)
    split = windows.reshape(batch, groups, channels // groups, *counts, *size)
    # [G, N, *counts, C / G, *kernel]
    order = (1, 0, *range(3, 3 + rank), 2, *range(3 + rank, 3 + 2 * rank))
    columns = split.transpose(order).reshape(groups, batch * prod(counts), -1)
    result = np.matmul(columns, weight.swapaxes(1, 2))
    result = result.reshape(groups, batch, *counts, maps // groups)
    result = np.moveaxis(np.moveaxis(result, 0, 1), -1, 2).reshape(batch, maps, *counts)
    return _biased(result, bias, layer.bias).astype(x.dtype)


@means("IDeconvolutionLayer")
def deconvolution(layer: Any, x: Array, kernel: Array | None = None, bias: Array | None = None) -> Array:
    """The transpose of a convolution; weights are [channels, maps / groups, *kernel]. Padding trims the output."""
    size, groups, maps = tuple(layer.kernel_size_nd), int(layer.num_groups), int(layer.num_output_maps)
    strides, dilations = tuple(layer.stride_nd), tuple(layer.dilation_nd)
    batch, channels, *sizes = x.shape
    weight = _parameter(kernel, layer.kernel).reshape(groups, channels // groups, maps // groups, -1)
    image = wide(x).reshape(batch, groups, channels // groups, prod(sizes))
    full = [(n - 1) * s + 1 + d * (k - 1) for n, s, d, k in zip(sizes, strides, dilations, size, strict=True)]
    result = np.zeros((batch, maps, *full), image.dtype)
    for i, at in enumerate(product(*map(range, size))):
        part = np.matmul(weight[..., i].swapaxes(1, 2), image)
        places = (
            slice(o * d, o * d + (n - 1) * s + 1, s) for o, d, s, n in zip(at, dilations, strides, sizes, strict=True)
        )
        result[(slice(None), slice(None), *places)] += part.reshape(batch, maps, *sizes)
    kept = (_kept(layer, i, n, full[i]) for i, n in enumerate(sizes))
    return _biased(result[(slice(None), slice(None), *kept)], bias, layer.bias).astype(x.dtype)


def _kept(layer: Any, i: int, size: int, full: int) -> slice:
    """What padding leaves of an axis of the output (NvInfer.h, PaddingMode, "Formulas for Deconvolution")."""
    mode, stride = layer.padding_mode.name, layer.stride_nd[i]
    if not mode.startswith("SAME"):
        return slice(layer.pre_padding[i], full - layer.post_padding[i])
    extent = 1 + layer.dilation_nd[i] * (layer.kernel_size_nd[i] - 1)
    total = max(extent - stride, 0)
    before = total // 2 if mode == "SAME_UPPER" else total - total // 2
    return slice(before, before + min(size * stride, full))


def _parameter(given: Array | None, stored: Any) -> Array:
    found = weights_array(stored) if given is None else given
    assert found is not None, "TensorRT infers no dims without a kernel"
    return wide(found)


def _biased(x: Array, given: Array | None, stored: Any) -> Array:
    bias = weights_array(stored) if given is None else given
    return x if bias is None else x + wide(bias).reshape(-1, *(1,) * (x.ndim - 2))
