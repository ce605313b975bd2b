"""Resampling: the engine's resize where it computes the same coordinates, else products with constant weights."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from isthmus.backends.emitter import emits
from isthmus.backends.tensorrt.emit.linalg import multiply
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.ir.dim import Dim, Shape
from isthmus.ir.graph import Node
from isthmus.ir.ops.sampling import interpolation_matrix

MODES = {"nearest": "NEAREST", "linear": "LINEAR", "cubic": "CUBIC"}
ROUNDINGS = {"round_prefer_floor": "HALF_DOWN", "round_prefer_ceil": "HALF_UP", "floor": "FLOOR", "ceil": "CEIL"}
COORDINATES = {
    "half_pixel": "HALF_PIXEL",
    "half_pixel_symmetric": "HALF_PIXEL",
    "pytorch_half_pixel": "HALF_PIXEL",
    "align_corners": "ALIGN_CORNERS",
    "asymmetric": "ASYMMETRIC",
}


def _unknown_sizes(node: Node) -> str | None:
    if _is_native(node):
        return None
    axes, sizes = node.attrs["axes"], node.attrs["sizes"]
    if any(not isinstance(d, int) for d in (*sizes, *(node.inputs[0].shape[axis] for axis in axes))):
        return "the engine's coordinates differ, and weights are worked out for known sizes only"
    if node.attrs["mode"] != "nearest" and not node.inputs[0].dtype.is_float:
        return "the engine interpolates between floats only"
    return None


@emits("resize", unless=_unknown_sizes)
def resize(
    n: Network,
    x: Handle,
    *,
    axes: tuple[int, ...],
    sizes: Shape,
    scales: tuple[float, ...],
    mode: str,
    coordinates: str,
    nearest: str,
    cubic_coefficient: float,
    exclude_outside: bool,
    antialias: bool,
) -> Handle:
    """Nearest elements by constant indices, others by constant weights, one axis after another, where not native."""
    if not axes:
        return x
    if _is_native(n.node):
        return _native(n, x, mode, coordinates, nearest, cubic_coefficient, exclude_outside)
    for axis, size, scale in zip(axes, sizes, scales, strict=True):
        before = n.x.shape[axis]
        assert isinstance(size, int), "unknown sizes were refused"
        assert isinstance(before, int), "unknown sizes were refused"
        weights = interpolation_matrix(
            before, size, scale, mode, coordinates, nearest, cubic_coefficient, exclude_outside, antialias
        )
        if mode == "nearest":
            x = n.gather(x, n.vector(np.argmax(weights, axis=1).tolist()), axis)
        else:
            x = _weighed(n, x, axis, n.constant(weights.astype(n.x.dtype.numpy), n.x.dtype))
    return x


def _weighed(n: Network, x: Handle, axis: int, weights: Handle) -> Handle:
    """weights [out, size] times x along an axis."""
    rank = n.x.rank
    if rank == 1:
        return multiply(n, weights, x)
    if axis == rank - 1:
        return multiply(n, x, n.transpose(weights, (1, 0)))
    perm = [*(i for i in range(rank) if i not in (axis, rank - 1)), axis, rank - 1]
    product = multiply(n, weights, n.transpose(x, perm))
    return n.transpose(product, np.argsort(perm).tolist())


def _native(
    n: Network, x: Handle, mode: str, coordinates: str, nearest: str, cubic_coefficient: float, exclude_outside: bool
) -> Handle:
    trt, shape = n.trt, n.node.result.shape
    layer = n.layer(n.definition.add_resize(x))
    layer.resize_mode = getattr(trt.InterpolationMode, MODES[mode])
    layer.coordinate_transformation = getattr(trt.ResizeCoordinateTransformation, COORDINATES[coordinates])
    first_pixel = coordinates in ("pytorch_half_pixel", "align_corners")
    layer.selector_for_single_pixel = trt.ResizeSelector.UPPER if first_pixel else trt.ResizeSelector.FORMULA
    if mode == "nearest":
        layer.nearest_rounding = getattr(trt.ResizeRoundMode, ROUNDINGS[nearest])
    if mode == "cubic":
        layer.cubic_coeff = cubic_coefficient
        layer.exclude_outside = exclude_outside
    if all(isinstance(d, int) for d in shape):
        layer.shape = trt.Dims([d for d in shape if isinstance(d, int)])
    else:
        layer.set_input(1, n.dims(shape))
    return n.of(layer)


def _is_native(node: Node) -> bool:
    """Whether the engine resizes the axes, and computes coordinates from sizes as the node does from its scales.

    The nearest element is left to it only where no coordinate lies halfway but exactly so: its f32 may round others.
    """
    attrs, x = node.attrs, node.inputs[0]
    if attrs["antialias"] or not x.dtype.is_float or 0 in (*x.shape, *node.result.shape):
        return False
    if min(attrs["axes"], default=0) < x.rank - (2 if attrs["mode"] == "cubic" else 3):
        return False
    changes = zip((x.shape[axis] for axis in attrs["axes"]), attrs["sizes"], attrs["scales"], strict=True)
    return _agrees(changes, attrs["mode"] == "nearest", attrs["coordinates"] == "align_corners")


def _agrees(changes: Iterable[tuple[Dim, Dim, float]], nearest: bool, corners: bool) -> bool:
    for before, after, scale in changes:
        whole, inverse = round(scale), round(1 / scale)
        grows = whole == scale and before * whole == after
        shrinks = inverse == 1 / scale and after * inverse == before
        if nearest and (corners or not (grows or shrinks)):
            return False
        if isinstance(before, int) and isinstance(after, int):
            if before * scale != after or (corners and after == 1):
                return False
        elif not (grows or shrinks) or corners:
            return False
    return True
