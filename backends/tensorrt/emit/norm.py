"""Normalizations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.tensorrt.emit.shape import window
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.backends.tensorrt.tensors import weights_over
from isthmus.backends.tensorrt.wide import in_f32
from isthmus.ir.dim import Shape
from isthmus.ir.graph import Node
from isthmus.ir.types import F32, Array, DType


def _computed_statistics(node: Node) -> str | None:
    if node.inputs[0].rank < 3:
        return "the engine scales channels of tensors with at least 3 dimensions"
    if 0 in node.inputs[0].shape:
        return "the engine scales no empty tensor"
    known = all(value.constant is not None for value in node.inputs[1:])
    return None if known else "the engine scales channels by constants"


@emits("batch_norm", unless=_computed_statistics)
def batch_norm(
    n: Network, x: Handle, scale: Handle, bias: Handle, mean: Handle, variance: Handle, *, epsilon: float
) -> Handle:
    """One product and one sum by channel, worked out in f64 from the statistics; in f32 where they leave the type,
    or the sum would cancel what the type has rounded away.
    """
    s, b, m, v = (_f64(value.array) for value in n.node.inputs[1:])
    factor = s / np.sqrt(v + epsilon)
    shift = b - m * factor
    dtype = n.x.dtype if _is_held(n.x.dtype, factor, shift, np.maximum(np.abs(s), np.abs(b))) else F32
    kept = [np.ascontiguousarray(each.astype(dtype.numpy)) for each in (shift, factor)]
    n.kept.extend(kept)
    added, by = (weights_over(n.trt, each, dtype) for each in kept)
    mode, power = n.trt.ScaleMode.CHANNEL, n.trt.Weights(n.type(dtype))
    scaled = n.of(n.definition.add_scale_nd(n.cast(x, dtype), mode, added, by, power, 1))
    return n.cast(scaled, n.x.dtype)


_LARGEST_SHIFT = 4
"""How many times what comes out a shift may be: the digits that a larger one lacks would show there."""


def _is_held(dtype: DType, factor: Array, shift: Array, size: Array) -> bool:
    """Whether an element type holds what channels are multiplied by and shifted by, for results of about a size."""
    if dtype.bits >= 32:
        return True
    with np.errstate(over="ignore"):
        held = [each.astype(dtype.numpy).astype(np.float64) for each in (factor, shift)]
    near = [np.allclose(got, want, rtol=0.01, atol=0) for got, want in zip(held, (factor, shift), strict=True)]
    return all(near) and bool(np.all(np.abs(shift) <= _LARGEST_SHIFT * size))


def _f64(array: Array | None) -> Array:
    assert array is not None, "such a node was refused"
    return array.astype(np.float64)


def _empty(node: Node) -> str | None:
    return "the engine normalizes no empty tensor" if 0 in node.inputs[0].shape else None


@emits("layer_norm", unless=_empty)
def layer_norm(
    n: Network, x: Handle, scale: Handle | None = None, bias: Handle | None = None, *, axis: int, epsilon: float
) -> Handle:
    """The engine's own, whose scale and bias are both there and of one shape."""
    shape = (*[1] * axis, *n.x.shape[axis:])
    factor, shift = _parameter(n, scale, 1, shape), _parameter(n, bias, 0, shape)
    return _normalized(n, x, factor, shift, range(axis, n.x.rank), epsilon)


@emits("instance_norm", unless=lambda node: _empty(node) or _flat(node))
def instance_norm(n: Network, x: Handle, scale: Handle, bias: Handle, *, epsilon: float) -> Handle:
    """The engine's own, over the spatial dimensions."""
    factor, shift = _by_channel(n, scale, bias)
    return _normalized(n, x, factor, shift, range(2, n.x.rank), epsilon)


def _flat(node: Node) -> str | None:
    return "the engine normalizes along at least one axis" if node.inputs[0].rank < 3 else None


@emits("group_norm", unless=lambda node: _empty(node) or _flat(node))
def group_norm(n: Network, x: Handle, scale: Handle, bias: Handle, *, groups: int, epsilon: float) -> Handle:
    """The engine's own, over the spatial dimensions of each group of channels; one group is all channels."""
    factor, shift = _by_channel(n, scale, bias)
    return _normalized(n, x, factor, shift, range(1 if groups == 1 else 2, n.x.rank), epsilon, groups)


def _normalized(
    n: Network, x: Handle, scale: Handle, bias: Handle, axes: range, epsilon: float, groups: int = 1
) -> Handle:
    mask = sum(1 << axis for axis in axes)
    layer = n.layer(n.definition.add_normalization_v2(x, scale, bias, mask))
    layer.epsilon = epsilon
    layer.num_groups = groups
    return n.of(layer)


def _by_channel(n: Network, *parameters: Handle) -> list[Handle]:
    shape = (1, n.x.shape[1], *[1] * (n.x.rank - 2))
    return [n.reshape(each, shape) for each in parameters]


def _parameter(n: Network, given: Handle | None, neutral: float, shape: Shape) -> Handle:
    return n.broadcast(n.scalar(neutral, n.x.dtype) if given is None else given, shape)


def _beyond_engine(node: Node) -> str | None:
    attrs = node.attrs
    if not (1e-5 <= attrs["bias"] <= 1e10 and 0.01 <= attrs["beta"] <= 1e5 and abs(attrs["alpha"]) <= 1e20):
        return "the engine takes a bias from 1e-5 to 1e10, a beta from 0.01 to 1e5 and an alpha up to 1e20"
    return _empty(node)


@emits("lrn", unless=_beyond_engine)
def lrn(n: Network, x: Handle, *, size: int, alpha: float, beta: float, bias: float) -> Handle:
    """The engine's own across the third dimension from the end, for odd windows up to 15; else a sum of slices."""
    if size % 2 == 0 or size > 15:
        return _lrn_of_slices(n, x, size, alpha, beta, bias)
    shape = n.x.shape
    rank = len(shape)
    square = n.unsqueeze(x, range(rank, 4)) if rank < 4 else x
    if rank > 4:
        square = n.reshape(x, _square(shape))
    result = n.of(n.definition.add_lrn(square, size, alpha, beta, bias))
    if rank < 4:
        return n.squeeze(result, range(rank, 4))
    return result if rank == 4 else n.reshape(result, shape)


def _square(shape: Sequence[object]) -> Shape:
    """[N, C, *spatial] with all but the first spatial dimension in one."""
    n, c, first, *rest = shape
    width = 1
    for size in rest:
        width = size * width  # type: ignore[operator]
    return n, c, first, width  # type: ignore[return-value]


def _lrn_of_slices(n: Network, x: Handle, size: int, alpha: float, beta: float, bias: float) -> Handle:
    """Squares leave a narrow type: they are f32."""
    before = (size - 1) // 2
    channels = n.x.shape[1]

    def write(x: Handle) -> Handle:
        squares = n.elementwise("PROD", x, x)
        total = squares
        for offset in range(-before, size - before):
            if offset:
                total = n.elementwise("SUM", total, window(n, squares, (1,), (offset,), (channels,), mode="FILL"))
        spread = n.elementwise("SUM", n.elementwise("PROD", total, n.number(alpha / size, x)), n.number(bias, x))
        return n.elementwise("DIV", x, n.elementwise("POW", spread, n.number(beta, x)))

    return in_f32(n, write, x)


MISSING = lacks(rms_norm="the engine has none of its own; it finds it in its primitive form")
