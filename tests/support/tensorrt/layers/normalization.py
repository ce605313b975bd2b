"""Normalizations and scales. Narrow floats are computed in f32, the default compute precision (NvInfer.h)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tests.support.tensorrt.element_types import Array, wide
from tests.support.tensorrt.meaning import axes_of, means
from tests.support.tensorrt.weights import weights_array


@means("INormalizationLayer")
def normalization(layer: Any, x: Array, scale: Array, bias: Array) -> Array:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias.

    With groups the channels, dimension 1, are split, and mean and variance are of a group. Scale and bias then are
    [1, C, 1, ...], and [1, G, 1, ...] in a layer made by add_normalization.
    """
    axes, groups, values = axes_of(layer.axes), int(layer.num_groups), wide(x)
    if groups == 1:
        normal = _normal(values, axes, layer.epsilon)
    else:
        split = values.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
        normal = _normal(split, tuple(range(2, split.ndim)), layer.epsilon).reshape(x.shape)
    factor, shift = (_per_channel(wide(p), groups, x.shape[1]) if groups > 1 else wide(p) for p in (scale, bias))
    return (normal * factor + shift).astype(x.dtype)


def _normal(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    centered = x - x.mean(axes, x.dtype, keepdims=True)
    variance = np.square(centered).mean(axes, x.dtype, keepdims=True)
    return np.asarray(centered / np.sqrt(variance + np.float32(epsilon)))


def _per_channel(parameter: Array, groups: int, channels: int) -> Array:
    return np.repeat(parameter, channels // groups, 1) if parameter.shape[1] == groups else parameter


@means("ILRNLayer")
def lrn(layer: Any, x: Array) -> Array:
    """x / (k + alpha / window * sum of squares in a window over the channels, the third axis from the end) ** beta.

    The operator page prints the formula without the division by the window size and with a window of +-size. Taken
    here is what NVIDIA's ONNX parser relies on: it hands ONNX's alpha and size, where the division is, to add_lrn as
    they are.
    """
    size, values = layer.window_size, wide(x)
    half = size // 2
    edges = [(half, half) if i == x.ndim - 3 else (0, 0) for i in range(x.ndim)]
    sums = sliding_window_view(np.pad(np.square(values), edges), size, x.ndim - 3).sum(-1)
    powers = np.power(np.float32(layer.k) + np.float32(layer.alpha / size) * sums, np.float32(layer.beta))
    return np.asarray(values / powers).astype(x.dtype)


@means("IScaleLayer")
def scale(layer: Any, x: Array) -> Array:
    """(x * scale + shift) ** power; what is left out is 1, 0 and 1."""
    channel = layer.channel_axis
    shapes = {
        "UNIFORM": (1,) * x.ndim,
        "CHANNEL": tuple(n if i == channel else 1 for i, n in enumerate(x.shape)),
        "ELEMENTWISE": tuple(n if i >= channel else 1 for i, n in enumerate(x.shape)),
    }
    shape = shapes[layer.mode.name]
    factor, shift, power = (weights_array(w) for w in (layer.scale, layer.shift, layer.power))
    result = wide(x)
    if factor is not None:
        result = result * wide(factor).reshape(shape)
    if shift is not None:
        result = result + wide(shift).reshape(shape)
    if power is not None:
        result = np.power(result, wide(power).reshape(shape))
    return result.astype(x.dtype)
