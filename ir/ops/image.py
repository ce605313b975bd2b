"""Resampling and pixel shuffling of [N, C, *spatial] tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from isthmus.ir.dim import Dim, Shape
from isthmus.ir.errors import TypeRuleError
from isthmus.ir.op import Any_, Float, Num, Trait, op
from isthmus.ir.ops.infer import check_axes, check_rank, check_same, check_shape
from isthmus.ir.ops.sampling import grid_coordinates, interpolation_matrix, sample
from isthmus.ir.precision import WIDE, fragile
from isthmus.ir.types import Array, TensorType

if TYPE_CHECKING:
    from isthmus.ir.builder import Builder
    from isthmus.ir.graph import Value

_COMPOSITE = frozenset({Trait.COMPOSITE})


def _resize(
    x: TensorType, *, axes: tuple[int, ...], sizes: Shape, scales: tuple[float, ...], **_: object
) -> TensorType:
    check_axes(axes, x.rank)
    check_shape(sizes)
    if not len(axes) == len(sizes) == len(scales):
        raise TypeRuleError("axes, sizes and scales must be equally long")
    resized = dict(zip(axes, sizes, strict=True))
    return x.with_shape(resized.get(i, d) for i, d in enumerate(x.shape))


@op(infer=_resize, precision=WIDE)
def resize(
    x: Num,
    *,
    axes: tuple[int, ...],
    sizes: tuple[Dim, ...],
    scales: tuple[float, ...],
    mode: Literal["nearest", "linear", "cubic"] = "nearest",
    coordinates: Literal[
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"
    ] = "half_pixel",
    nearest: Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"] = "round_prefer_floor",
    cubic_coefficient: float = -0.75,
    exclude_outside: bool = False,
    antialias: bool = False,
) -> Array:
    """x resampled to `sizes` along `axes`, one axis after another, with the coordinate rules of ONNX Resize.

    `scales` (output / input) are what coordinates are computed from: sizes are often rounded.
    """
    result = x.astype(np.float64)
    for axis, size, scale in zip(axes, sizes, scales, strict=True):
        assert isinstance(size, int)
        weights = interpolation_matrix(
            x.shape[axis], size, scale, mode, coordinates, nearest, cubic_coefficient, exclude_outside, antialias
        )
        if mode == "nearest":  # picks elements: a weight of zero would spread the NaN it multiplies
            result = np.take(result, np.argmax(weights, axis=1), axis)
        else:
            result = np.moveaxis(np.tensordot(weights, result, axes=(1, axis)), 0, axis)
    if x.dtype.kind in "iu":
        info = np.iinfo(x.dtype)
        return np.clip(np.rint(result), info.min, info.max).astype(x.dtype)
    return result.astype(x.dtype)


def _depth_to_space(x: TensorType, *, block: int, **_: object) -> TensorType:
    check_rank("x", x, 4)
    n, c, h, w = x.shape
    if block < 1 or (isinstance(c, int) and c % (block * block)):
        raise TypeRuleError(f"{c} channels do not make blocks of {block} x {block}")
    return x.with_shape((n, c // (block * block), h * block, w * block))


@op(infer=_depth_to_space, traits=_COMPOSITE)
def depth_to_space(x: Any_, *, block: int, mode: Literal["DCR", "CRD"] = "DCR") -> Array:
    """[N, C*b*b, H, W] to [N, C, H*b, W*b]; channels count depth first (DCR), or block column-row last (CRD)."""
    n, c, h, w = x.shape
    shape, perm = _shuffle(c // (block * block), block, mode)
    return np.reshape(x, (n, *shape, h, w)).transpose(perm).reshape(n, -1, h * block, w * block)


@depth_to_space.decomposition
def _(b: Builder, x: Value, *, block: int, mode: str) -> Value:
    n, c, h, w = x.shape
    depth = c // (block * block)
    shape, perm = _shuffle(depth, block, mode)
    split = b.transpose(b.reshape(x, shape=(n, *shape, h, w)), perm=perm)
    return b.reshape(split, shape=(n, depth, h * block, w * block))


def _space_to_depth(x: TensorType, *, block: int) -> TensorType:
    check_rank("x", x, 4)
    n, c, h, w = x.shape
    if block < 1 or any(isinstance(d, int) and d % block for d in (h, w)):
        raise TypeRuleError(f"{x} is not divisible into blocks of {block} x {block}")
    return x.with_shape((n, c * (block * block), h // block, w // block))


@op(infer=_space_to_depth, traits=_COMPOSITE)
def space_to_depth(x: Any_, *, block: int) -> Array:
    """[N, C, H*b, W*b] to [N, b*b*C, H, W]: the inverse of depth_to_space in mode DCR."""
    n, c, h, w = x.shape
    split = x.reshape(n, c, h // block, block, w // block, block).transpose(0, 3, 5, 1, 2, 4)
    return split.reshape(n, c * block * block, h // block, w // block)


@space_to_depth.decomposition
def _(b: Builder, x: Value, *, block: int) -> Value:
    n, c, h, w = x.shape
    split = b.reshape(x, shape=(n, c, h // block, block, w // block, block))
    moved = b.transpose(split, perm=(0, 3, 5, 1, 2, 4))
    return b.reshape(moved, shape=(n, c * (block * block), h // block, w // block))


def _grid_sample(x: TensorType, grid: TensorType, **_: object) -> TensorType:
    spatial = x.rank - 2
    if spatial < 1 or grid.rank != x.rank or grid.shape[-1] != spatial:
        raise TypeRuleError(f"grid {grid} must be [N, *output, {spatial}] for x {x}")
    check_same("batches of x and grid", x.shape[0], grid.shape[0])
    return x.with_shape((*x.shape[:2], *grid.shape[1:-1]))


@op(infer=_grid_sample, precision=fragile("a rounded coordinate samples another pixel"))
def grid_sample(
    x: Float,
    grid: Float,
    *,
    mode: Literal["linear", "nearest", "cubic"] = "linear",
    padding: Literal["zeros", "border", "reflection"] = "zeros",
    align_corners: bool = False,
) -> Array:
    """x [N, C, *s] sampled at grid [N, *o, len(s)] of coordinates in [-1, 1], last axis first; result [N, C, *o].

    -1 and 1 are the centres of the corner elements with align_corners, else the image's outer edges.
    """
    sizes = x.shape[2:]
    places = grid_coordinates(grid, sizes, padding if mode != "cubic" else "zeros", align_corners)
    return sample(x, places, mode, padding, align_corners).astype(x.dtype)


def _shuffle(depth: Dim, block: int, mode: str) -> tuple[tuple[Dim, ...], tuple[int, ...]]:
    if mode == "DCR":
        return (block, block, depth), (0, 3, 4, 1, 5, 2)
    return (depth, block, block), (0, 1, 4, 2, 5, 3)
