"""Resampling and pixel shuffling."""

from __future__ import annotations

import numpy as np

from isthmus.backends.emitter import emits
from isthmus.backends.openvino.network import Handle, Network
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node
from isthmus.ir.types import F32


def _beyond_interpolate(node: Node) -> str | None:
    x, attrs = node.inputs[0], node.attrs
    mode, axes = attrs["mode"], attrs["axes"]
    if x.dtype.is_integer and (mode != "nearest" or x.dtype.bits > 16):
        return f"the engine interpolates {x.dtype} in f32"
    if attrs["antialias"]:
        return "the engine's antialiasing filters differ"
    if attrs["exclude_outside"] and mode == "cubic":
        return "the engine always repeats the edge outside"
    if attrs["coordinates"] == "half_pixel_symmetric":
        return "the engine has no half_pixel_symmetric coordinates"
    if mode != "nearest" and (x.rank not in (4, 5) or min(axes) < 2 or len(axes) != x.rank - 2):
        return "the engine interpolates 2 or 3 trailing axes of [N, C, ...] at a time"
    if mode == "cubic" and x.rank != 4:
        return "the engine's cubic interpolation is over two axes"
    sizes = list(zip(_before(node), attrs["sizes"], attrs["scales"], strict=True))
    if attrs["coordinates"] == "align_corners" and not all(_is_exact(*each) for each in sizes):
        return "the engine aligns corners by rounded sizes"
    if not all(_scale_gives_size(*each) for each in sizes):
        return "sizes are not what the engine computes from the scales"
    return None


def _before(node: Node) -> list[Dim]:
    return [node.inputs[0].shape[axis] for axis in node.attrs["axes"]]


def _is_exact(before: Dim, after: Dim, scale: float) -> bool:
    return not isinstance(before, int) or (isinstance(after, int) and abs(before * scale - after) < 1e-4)


def _scale_gives_size(before: Dim, after: Dim, scale: float) -> bool:
    """Whether the engine, told `scale`, makes `after` of `before`, or finds `scale` from the sizes."""
    if isinstance(before, int) and isinstance(after, int):
        return int(np.floor(np.float32(before) * np.float32(scale))) == after or after == before * scale
    return float(scale).is_integer() and after == before * int(scale)


@emits("resize", unless=_beyond_interpolate)
def resize(
    n: Network,
    x: Handle,
    *,
    axes: tuple[int, ...],
    sizes: tuple[Dim, ...],
    scales: tuple[float, ...],
    mode: str,
    coordinates: str,
    nearest: str,
    cubic_coefficient: float,
    exclude_outside: bool,
    antialias: bool,
) -> Handle:
    """By scales, which are what coordinates are computed from."""
    dtype = n.x.dtype
    floats = x if dtype.is_float else n.cast(x, F32)
    result = n.ops.interpolate(
        floats,
        n.constant(np.array(scales, np.float32)),
        {"nearest": "nearest", "linear": "linear_onnx", "cubic": "cubic"}[mode],
        "scales",
        coordinate_transformation_mode=coordinates,
        nearest_mode=nearest,
        cube_coeff=cubic_coefficient,
        axes=n.vector(axes),
    )
    return result if dtype.is_float else n.cast(result, dtype)


@emits("depth_to_space")
def depth_to_space(n: Network, x: Handle, *, block: int, mode: str) -> Handle:
    """DCR counts blocks first."""
    return n.ops.depth_to_space(x, "blocks_first" if mode == "DCR" else "depth_first", block)


@emits("space_to_depth")
def space_to_depth(n: Network, x: Handle, *, block: int) -> Handle:
    """The inverse of DCR."""
    return n.ops.space_to_depth(x, "blocks_first", block)


def _not_planar(node: Node) -> str | None:
    return None if node.inputs[0].rank == 4 else "the engine samples planes only"


@emits("grid_sample", unless=_not_planar)
def grid_sample(n: Network, x: Handle, grid: Handle, *, mode: str, padding: str, align_corners: bool) -> Handle:
    """Planes sampled at a grid."""
    names = {"linear": "bilinear", "nearest": "nearest", "cubic": "bicubic"}
    return n.ops.grid_sample(x, grid, {"mode": names[mode], "padding_mode": padding, "align_corners": align_corners})
