"""Resizing of [N, H, W, C] images of known sizes by weighted sums of pixels: a matrix for each axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.args import converted
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.layout import from_first, to_first
from isthmus.compiler.importers.tensorflow.resizing import target_size
from isthmus.compiler.importers.tensorflow.windows import static
from isthmus.ir.dim import Dim
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import F32, Array

_LARGEST_MATRIX = 1 << 24
"""Images with longer sides are not resized: their matrices would take more memory than a model should."""


@lowers("ResizeArea")
def resize_area(b: TfBuilder, x: Value, size: Value, *, align_corners: bool = False) -> Value:
    """Each pixel is the mean of what it covers."""
    after, before = _sizes(b, x, target_size(b, size))
    return _weighted(b, x, *(_covered(*pair, align_corners) for pair in zip(before, after, strict=True)))


@lowers("ScaleAndTranslate")
def scale_and_translate(
    b: TfBuilder,
    x: Value,
    size: Value,
    scale: Value,
    translation: Value,
    *,
    kernel_type: str = "lanczos3",
    antialias: bool = True,
) -> Value:
    """Each pixel is a mean by a kernel around its place; antialiasing widens the kernel where the image shrinks.

    Source: tensorflow/core/kernels/image/scale_and_translate_op.cc.
    """
    if kernel_type not in _KERNELS:
        raise UnsupportedModel(f"ScaleAndTranslate by kernel {kernel_type!r}")
    after, before = _sizes(b, x, target_size(b, size))
    scales, moves = b.numbers(scale), b.numbers(translation)
    if scales is None or moves is None or scales.size != 2 or moves.size != 2 or not bool(np.all(scales > 0)):
        raise UnsupportedModel("ScaleAndTranslate: two constant scales above 0 and two translations are needed")
    rows, columns = (
        _around(n, m, float(by), float(to), kernel_type, antialias)
        for n, m, by, to in zip(before, after, scales, moves, strict=True)
    )
    return _weighted(b, x, rows, columns)


def _sizes(b: TfBuilder, x: Value, wanted: tuple[Dim, Dim]) -> tuple[tuple[int, int], tuple[int, int]]:
    """What the sizes are to be, and are."""
    if x.rank != 4:
        raise MalformedModel(f"{x} is no batch of images")
    height, width, tall, wide = static((*wanted, *x.shape[1:3]), b.node.op)
    if not 1 <= height * tall <= _LARGEST_MATRIX or not 1 <= width * wide <= _LARGEST_MATRIX:
        raise UnsupportedModel(f"{b.node.op} from {tall} x {wide} to {height} x {width}")
    return (height, width), (tall, wide)


def _weighted(b: TfBuilder, x: Value, rows: Array, columns: Array) -> Value:
    """rows [H', H] and columns [W', W] applied to each channel, in f32."""
    planes = to_first(b, converted(b, x, F32), "NHWC")
    across = b.matmul(planes, b.const(columns.T.astype(np.float32)))
    return from_first(b, b.matmul(b.const(rows.astype(np.float32)), across), "NHWC")


def _covered(before: int, after: int, align_corners: bool) -> Array:
    """How much of each of `before` pixels lies in each of `after`; beyond the edge the last one goes on."""
    step = (before - 1) / (after - 1) if align_corners and after > 1 else before / after
    low = np.float32(step) * np.arange(after, dtype=np.float32)[:, None]
    edges = np.arange(math.ceil(before + step) + 1, dtype=np.float32)
    shared = np.clip(np.minimum(low + np.float32(step), edges + 1) - np.maximum(low, edges), 0, None)
    weights = shared[:, :before]
    weights[:, -1] += shared[:, before:].sum(axis=1)
    found: Array = weights / np.float32(step)
    return found


def _around(before: int, after: int, scale: float, move: float, kernel: str, antialias: bool) -> Array:
    """The weights of `before` pixels around the place of each of `after`; places outside have none."""
    radius, weight = _KERNELS[kernel]
    wide = max(1 / scale, 1.0) if antialias else 1.0
    places = ((np.arange(after) + 0.5) / scale - move / scale)[:, None]
    centres = np.arange(before) + 0.5
    away = np.abs(centres - places) / wide
    weights = np.where(away <= radius, weight(away), 0.0)
    total = weights.sum(axis=1, keepdims=True)
    weights = np.divide(weights, total, out=weights, where=np.abs(total) >= 1000 * np.finfo(np.float32).tiny)
    found: Array = np.where((places < 0) | (places > before), 0.0, weights)
    return found


def _lanczos(radius: float) -> Callable[[Array], Array]:
    return lambda x: np.sinc(x) * np.sinc(x / radius)


def _cubic(x: Array) -> Array:
    """Keys' kernel with a = -1/2."""
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2)


def _mitchell(x: Array) -> Array:
    """Mitchell and Netravali's kernel with B = C = 1/3."""
    near = ((7 / 6 * x - 2) * x) * x + 8 / 9
    return np.where(x < 1, near, ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9)


_KERNELS: Mapping[str, tuple[float, Callable[[Array], Array]]] = {
    "lanczos1": (1.0, _lanczos(1.0)),
    "lanczos3": (3.0, _lanczos(3.0)),
    "lanczos5": (5.0, _lanczos(5.0)),
    "gaussian": (1.5, lambda x: np.where(x < 1.5, np.exp(-2 * x * x), 0.0)),
    "box": (0.5, lambda x: np.where(x < 0.5, 1.0, np.where(x == 0.5, 0.5, 0.0))),
    "triangle": (1.0, lambda x: np.clip(1 - x, 0, None)),
    "keyscubic": (2.0, _cubic),
    "mitchellcubic": (2.0, _mitchell),
}
"""How far each kernel reaches, and what it weighs at a distance, in pixels."""
