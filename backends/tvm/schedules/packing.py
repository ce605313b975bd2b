"""Constant matrices rearranged at compile time into what the kernels stream through: numpy in, numpy out."""

from __future__ import annotations

import numpy as np

from isthmus.ir.types import BF16, Array


def panels(matrix: Array, width: int) -> Array:
    """[..., K, N] as [ceil(N / width), ..., K, width] in f32, zeros after the last column.

    A tile of a product reads one panel from its start to its end, in order.
    """
    *outer, columns = matrix.shape
    count = -(-columns // width)
    padded = np.zeros((*outer, count * width), np.float32)
    padded[..., :columns] = matrix
    return np.ascontiguousarray(np.moveaxis(padded.reshape(*outer, count, width), -2, 0))


def padded(vector: Array, width: int) -> Array:
    """[N] in f32 with zeros up to a multiple of `width`."""
    result = np.zeros(-(-len(vector) // width) * width, np.float32)
    result[: len(vector)] = vector
    return result


def pairs(panels: Array) -> Array:
    """[..., K, width] as [..., K / 2, width] in int32: bf16 numbers of rows 2k and 2k + 1 in one element."""
    *outer, inner, width = panels.shape
    bits = panels.astype(BF16.numpy).view(np.uint16).reshape(*outer, inner // 2, 2, width)
    return np.ascontiguousarray(bits.swapaxes(-1, -2)).view(np.int32)[..., 0]


def filters(weight: Array, groups: int, width: int) -> Array:
    """Convolution weights [M, C/groups, KH, KW] as [groups, panels of M/groups, KH, KW, C/groups, width]."""
    outputs, *rest = weight.shape
    split = weight.reshape(groups, outputs // groups, *rest)
    return np.stack([panels(np.moveaxis(each, 0, -1).transpose(1, 2, 0, 3), width) for each in split])


def merged(weight: Array, groups: int, times: int) -> Array:
    """Weights of a grouped convolution as those of one with `groups / times` groups: zeros join what was apart."""
    outputs, inputs, *kernel = weight.shape
    split = weight.reshape(groups // times, times, outputs // groups, inputs, *kernel)
    wide = np.zeros((groups // times, times, outputs // groups, times, inputs, *kernel), weight.dtype)
    for i in range(times):
        wide[:, i, :, i] = split[:, i]
    return wide.reshape(outputs, times * inputs, *kernel)
