"""Crops, patches and block shuffling of [N, H, W, C] images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.args import converted
from isthmus.compiler.importers.tensorflow.atrous import Whole
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.layout import from_first, to_first
from isthmus.compiler.importers.tensorflow.nn import convolved
from isthmus.compiler.importers.tensorflow.resizing import target_size
from isthmus.compiler.importers.tensorflow.windows import windows_of
from isthmus.ir.dim import Dim, floordiv
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import F32


@lowers("CropAndResize")
def crop_and_resize(
    b: TfBuilder,
    image: Value,
    boxes: Value,
    box_index: Value,
    size: Value,
    *,
    extrapolation_value: float = 0.0,
    method: Literal["bilinear", "nearest"] = "bilinear",
) -> Value:
    """boxes [n, 4] as y1, x1, y2, x2 in 0..1 from the first to the last pixel's centre; each is cut out and resized."""
    height, width = target_size(b, size)
    count = boxes.shape[0]
    if not isinstance(height, int) or not isinstance(width, int):
        raise UnsupportedModel("CropAndResize to a symbolic size", hint="give fixed sizes with inputs=")
    if not (1 <= height <= _LARGEST_CROP and 1 <= width <= _LARGEST_CROP):
        raise UnsupportedModel(f"CropAndResize to {height} x {width}")
    planes = b.gather(to_first(b, converted(b, image, F32), "NHWC"), box_index, axis=0)
    sides = [b.reshape(v, shape=(count, 1)) for v in b.split(boxes, axis=1, sizes=(1, 1, 1, 1))]
    rows, columns = _steps(b, sides[0], sides[2], height), _steps(b, sides[1], sides[3], width)
    rows = b.expand(b.reshape(rows, shape=(count, height, 1, 1)), shape=(count, height, width, 1))
    columns = b.expand(b.reshape(columns, shape=(count, 1, width, 1)), shape=(count, height, width, 1))
    grid = b.sub(b.mul(b.concat(columns, rows, axis=3), 2.0), 1.0)
    found = b.grid_sample(
        planes,
        grid,
        mode="linear" if method == "bilinear" else "nearest",
        padding="border",
        align_corners=True,
    )
    outside = b.reduce_any(b.logical_or(b.less(grid, -1.0), b.greater(grid, 1.0)), axes=(3,), keepdims=True)
    return b.where(outside, extrapolation_value, from_first(b, found, "NHWC"))


_LARGEST_CROP = 1 << 16


@lowers("DepthToSpace")
def depth_to_space(b: TfBuilder, x: Value, *, block_size: int, data_format: str = "NHWC") -> Value:
    return from_first(b, b.depth_to_space(to_first(b, x, data_format), block=block_size), data_format)


@lowers("SpaceToDepth")
def space_to_depth(b: TfBuilder, x: Value, *, block_size: int, data_format: str = "NHWC") -> Value:
    return from_first(b, b.space_to_depth(to_first(b, x, data_format), block=block_size), data_format)


@lowers("SpaceToBatchND")
def space_to_batch(b: TfBuilder, x: Value, blocks: Value, paddings: Value) -> Value:
    return _in_blocks(b, x, blocks, paddings)


@lowers("BatchToSpaceND")
def batch_to_space(b: TfBuilder, x: Value, blocks: Value, crops: Value) -> Value:
    return _joined(b, x, blocks, crops)


@lowers("SpaceToBatch")
def space_to_batch_v1(b: TfBuilder, x: Value, paddings: Value, *, block_size: int) -> Value:
    return _in_blocks(b, x, b.const(np.array([block_size] * 2)), paddings)


@lowers("BatchToSpace")
def batch_to_space_v1(b: TfBuilder, x: Value, crops: Value, *, block_size: int) -> Value:
    return _joined(b, x, b.const(np.array([block_size] * 2)), crops)


@lowers("ExtractImagePatches")
def extract_image_patches(
    b: TfBuilder, x: Value, *, ksizes: tuple[int, ...], strides: tuple[int, ...], rates: tuple[int, ...], padding: str
) -> Value:
    """The elements of each window side by side: a convolution with ones at single places."""
    depth = x.shape[3]
    if not isinstance(depth, int) or len(ksizes) != 4 or not x.dtype.is_float:
        raise UnsupportedModel(f"ExtractImagePatches of {x}")
    taps = ksizes[1] * ksizes[2] * depth
    if taps > _MOST_TAPS:
        raise UnsupportedModel(f"ExtractImagePatches of {taps} elements a window")
    eye = np.eye(taps, dtype=x.dtype.numpy).reshape(ksizes[1], ksizes[2], depth, taps)
    return convolved(b, x, b.const(eye), windows_of(x, "NHWC", strides, padding, rates))


_MOST_TAPS = 4096


def _in_blocks(b: TfBuilder, x: Value, blocks: Value, paddings: Value) -> Value:
    """Each axis from 1 on is padded and cut into blocks; the place within the block becomes part of the batch."""
    sizes, pads = b.integers(blocks, "SpaceToBatchND: blocks"), _pairs(b, paddings)
    count = len(sizes)
    if len(pads) != count or x.rank <= count:
        raise MalformedModel(f"SpaceToBatchND: {count} blocks, {len(pads)} paddings for rank {x.rank}")
    padded = b.pad(x, pads=((0, 0), *pads, *[(0, 0)] * (x.rank - count - 1)))
    batch, rest = padded.shape[0], padded.shape[1 + count :]
    split: list[Dim] = [batch]
    for size, block in zip(padded.shape[1 : 1 + count], sizes, strict=True):
        split += [floordiv(size, block), block]
    inner, outer = range(2, 2 * count + 1, 2), range(1, 2 * count + 1, 2)
    moved = b.transpose(
        b.reshape(padded, shape=(*split, *rest)),
        perm=(*inner, 0, *outer, *range(2 * count + 1, 2 * count + 1 + len(rest))),
    )
    whole = batch
    for block in sizes:
        whole = whole * block
    made = b.reshape(moved, shape=(whole, *(split[i] for i in outer), *rest))
    b.walk.wholes[made] = Whole(padded, dict(enumerate(sizes, 1)))
    return made


def _joined(b: TfBuilder, x: Value, blocks: Value, crops: Value) -> Value:
    """The inverse of SpaceToBatchND, with what `crops` says cut off."""
    sizes, cuts = b.integers(blocks, "BatchToSpaceND: blocks"), _pairs(b, crops)
    count = len(sizes)
    if len(cuts) != count or x.rank <= count or 0 in sizes:
        raise MalformedModel(f"BatchToSpaceND: {count} blocks, {len(cuts)} crops for rank {x.rank}")
    known = b.walk.wholes.get(x)
    if known is not None and known.blocks == dict(enumerate(sizes, 1)):
        return _cropped(b, known.value, cuts)
    total = int(np.prod(sizes))
    spatial, rest = x.shape[1 : 1 + count], x.shape[1 + count :]
    split = b.reshape(x, shape=(*sizes, floordiv(x.shape[0], total), *spatial, *rest))
    perm = [count]
    for i in range(count):
        perm += [count + 1 + i, i]
    joined = tuple(n * block for n, block in zip(spatial, sizes, strict=True))
    moved = b.transpose(split, perm=(*perm, *range(2 * count + 1, 2 * count + 1 + len(rest))))
    whole = b.reshape(moved, shape=(floordiv(x.shape[0], total), *joined, *rest))
    return _cropped(b, whole, cuts)


def _cropped(b: TfBuilder, x: Value, cuts: Sequence[tuple[Dim, Dim]]) -> Value:
    """x without so many elements at both ends of each axis from 1 on."""
    if all(cut == 0 for pair in cuts for cut in pair):
        return x
    axes = tuple(range(1, 1 + len(cuts)))
    stops = tuple(x.shape[axis] - high for axis, (_, high) in zip(axes, cuts, strict=True))
    return b.slice(x, axes=axes, starts=tuple(low for low, _ in cuts), stops=stops, steps=(1,) * len(cuts))


def _steps(b: TfBuilder, low: Value, high: Value, count: int) -> Value:
    """`count` positions [n, count] from low [n, 1] to high; the middle where there is one."""
    if count == 1:
        return b.mul(b.add(low, high), 0.5)
    share = np.arange(count, dtype=np.float32) / np.float32(count - 1)
    return b.add(low, b.mul(b.sub(high, low), b.const(share)))


def _pairs(b: TfBuilder, paddings: Value) -> Sequence[tuple[Dim, Dim]]:
    known = b.sizes(paddings)
    if known is None or paddings.rank != 2 or paddings.shape[1] != 2:
        raise UnsupportedModel("paddings and crops must depend on nothing but input shapes")
    return list(zip(known[::2], known[1::2], strict=True))
