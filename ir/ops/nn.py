"""Convolutions, poolings and normalisations. Tensors are laid out [N, C, *spatial]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.ir.dim import Dim
from isthmus.ir.errors import TypeRuleError
from isthmus.ir.op import Float, Num, Trait, op
from isthmus.ir.ops.infer import broadcast, check_axes, check_rank, check_same, window_size
from isthmus.ir.ops.window import ceil_padding, padded, windows
from isthmus.ir.precision import LOW, WIDE, fragile
from isthmus.ir.types import I64, Array, TensorType

if TYPE_CHECKING:
    from isthmus.ir.builder import Builder
    from isthmus.ir.graph import Value

_LARGEST_WINDOW = 1 << 24
"""Beyond any image, and small enough for the 32-bit arithmetic that engines do with windows."""
_COMPOSITE = frozenset({Trait.COMPOSITE})

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

# -- convolution ----------------------------------------------------------------------------------


def _conv(
    x: TensorType,
    weight: TensorType,
    bias: TensorType | None,
    *,
    strides: Ints,
    pads: Pads,
    dilations: Ints,
    groups: int,
) -> TensorType:
    spatial = _check_windows(x, kernel := weight.shape[2:], strides, pads, dilations)
    check_rank("weight", weight, x.rank)
    outputs = weight.shape[0]
    check_same(f"channels of {x} and groups times those of {weight}", x.shape[1], weight.shape[1] * groups)
    if groups < 1 or (isinstance(outputs, int) and outputs % groups):
        raise TypeRuleError(f"{groups} groups do not divide {outputs} output channels")
    if bias is not None:
        check_rank("bias", bias, 1)
        check_same("bias and output channels", bias.shape[0], outputs)
    sizes = map(window_size, spatial, _static(kernel), strides, pads, dilations)
    return x.with_shape((x.shape[0], outputs, *sizes))


@op(infer=_conv, precision=LOW)
def conv(
    x: Float,
    weight: Float,
    bias: Float | None = None,
    *,
    strides: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    dilations: tuple[int, ...],
    groups: int = 1,
) -> Array:
    """Convolution (cross-correlation) of x [N, C, *s] with weight [M, C/groups, *k], plus bias [M]; zero padding.

    pads holds (before, after) for each spatial axis.
    """
    view = windows(padded(x, pads, 0), weight.shape[2:], strides, dilations)
    n, c, *rest = view.shape
    positions, taps = rest[: x.ndim - 2], rest[x.ndim - 2 :]
    grouped = view.reshape(n, groups, c // groups, *rest)
    spatial = range(3, 3 + len(positions))
    rows = grouped.transpose(1, 0, *spatial, 2, *range(3 + len(positions), grouped.ndim))
    rows = rows.reshape(groups, n * int(np.prod(positions)), c // groups * int(np.prod(taps)))
    filters = weight.reshape(groups, weight.shape[0] // groups, -1).transpose(0, 2, 1)
    product = np.matmul(rows, filters).reshape(groups, n, *positions, -1)
    result = np.moveaxis(product, (0, -1), (1, 2)).reshape(n, weight.shape[0], *positions)
    return result if bias is None else result + _per_channel(bias, x.ndim)


def _conv_transpose(
    x: TensorType,
    weight: TensorType,
    bias: TensorType | None,
    *,
    strides: Ints,
    pads: Pads,
    dilations: Ints,
    output_padding: Ints,
    groups: int,
) -> TensorType:
    spatial = _check_windows(x, kernel := weight.shape[2:], strides, pads, dilations)
    check_rank("weight", weight, x.rank)
    check_same(f"channels of {x} and {weight}", x.shape[1], weight.shape[0])
    if len(output_padding) != len(spatial):
        raise TypeRuleError(f"output_padding {list(output_padding)} for {len(spatial)} spatial axes")
    outputs = weight.shape[1] * groups
    if bias is not None:
        check_rank("bias", bias, 1)
        check_same("bias and output channels", bias.shape[0], outputs)
    sizes = [
        (size - 1) * s + d * (k - 1) + 1 + extra - low - high
        for size, k, s, (low, high), d, extra in zip(
            spatial, _static(kernel), strides, pads, dilations, output_padding, strict=True
        )
    ]
    return x.with_shape((x.shape[0], outputs, *sizes))


@op(infer=_conv_transpose, precision=LOW)
def conv_transpose(
    x: Float,
    weight: Float,
    bias: Float | None = None,
    *,
    strides: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    dilations: tuple[int, ...],
    output_padding: tuple[int, ...],
    groups: int = 1,
) -> Array:
    """The gradient of conv: each element of x [N, C, *s] adds its multiple of weight [C, M/groups, *k] to the result.

    pads are cut off from the full result; output_padding adds elements at its end.
    """
    n, c, *spatial = x.shape
    per_group, kernel = weight.shape[1], weight.shape[2:]
    full = [
        (size - 1) * s + d * (k - 1) + 1 + extra
        for size, s, d, k, extra in zip(spatial, strides, dilations, kernel, output_padding, strict=True)
    ]
    rows = x.reshape(n, groups, c // groups, -1)
    filters = weight.reshape(groups, c // groups, -1)
    spread = np.einsum("ngcp,gcf->ngfp", rows, filters, optimize=True)
    spread = spread.reshape(n, groups * per_group, *kernel, *spatial)
    result = np.zeros((n, groups * per_group, *full), spread.dtype)
    for tap in np.ndindex(*kernel):
        starts = [t * d for t, d in zip(tap, dilations, strict=True)]
        place = tuple(slice(a, a + (m - 1) * s + 1, s) for a, m, s in zip(starts, spatial, strides, strict=True))
        result[:, :, *place] += spread[:, :, *tap]
    kept = tuple(slice(low, size - high) for size, (low, high) in zip(full, pads, strict=True))
    result = result[:, :, *kept]
    return result if bias is None else result + _per_channel(bias, x.ndim)


# -- pooling -------------------------------------------------------------------------------------


def _pool(
    x: TensorType, *, kernel: Ints, strides: Ints, pads: Pads, dilations: Ints, ceil_mode: bool, **_: Any
) -> TensorType:
    spatial = _check_windows(x, kernel, strides, pads, dilations)
    sizes = [
        window_size(size, k, s, p, d, ceil_mode)
        for size, k, s, p, d in zip(spatial, kernel, strides, pads, dilations, strict=True)
    ]
    return x.with_shape((*x.shape[:2], *sizes))


@op(infer=_pool)
def max_pool(
    x: Num,
    *,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    dilations: tuple[int, ...],
    ceil_mode: bool = False,
) -> Array:
    """The greatest element of each window over [N, C, *spatial]; padding never wins, NaN does."""
    view = _pool_windows(x, kernel, strides, pads, dilations, ceil_mode, _lowest(x))
    return np.max(view, axis=tuple(range(x.ndim, view.ndim)))


def _pool_indices(x: TensorType, **attrs: Any) -> tuple[TensorType, TensorType]:
    values = _pool(x, **attrs)
    return values, values.with_dtype(I64)


@op(infer=_pool_indices)
def max_pool_with_indices(
    x: Num,
    *,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    dilations: tuple[int, ...],
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """max_pool, and where each maximum stands in the row-major flattened x; of equals, the first.

    It is never padding, even where that ties with elements; -1 for a window of nothing else.
    """
    view = _pool_windows(x, kernel, strides, pads, dilations, ceil_mode, _lowest(x))
    places = np.arange(x.size).reshape(x.shape)
    flat = view.reshape(*view.shape[: x.ndim], -1)
    indices = _pool_windows(places, kernel, strides, pads, dilations, ceil_mode, -1).reshape(flat.shape)
    greatest = np.max(flat, axis=-1, keepdims=True)
    is_greatest = (flat == greatest) | (flat != flat)  # the second is NaN
    found = np.argmax(is_greatest & (indices >= 0), axis=-1)[..., None]
    return np.take_along_axis(flat, found, -1)[..., 0], np.take_along_axis(indices, found, -1)[..., 0]


@op(infer=_pool, precision=WIDE)
def avg_pool(
    x: Float,
    *,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    dilations: tuple[int, ...],
    ceil_mode: bool = False,
    count_include_pad: bool = False,
) -> Array:
    """The mean of each window over [N, C, *spatial]; padding counts as zeros if asked for, else not at all."""
    view = _pool_windows(x, kernel, strides, pads, dilations, ceil_mode, 0)
    window_axes = tuple(range(x.ndim, view.ndim))
    here = padded(np.ones((1, 1, *x.shape[2:]), x.dtype), pads, int(count_include_pad))
    reached = [
        (0, high - pad[1])
        for (_, high), pad in zip(_grown(x, kernel, strides, pads, dilations, ceil_mode), pads, strict=True)
    ]
    counts = windows(padded(here, reached, 0), kernel, strides, dilations)
    return np.sum(view, axis=window_axes) / np.sum(counts, axis=window_axes)


@op(infer=_pool, precision=fragile("sums powers"))
def lp_pool(
    x: Float,
    *,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    dilations: tuple[int, ...],
    ceil_mode: bool = False,
    p: int = 2,
) -> Array:
    """The p-norm of each window over [N, C, *spatial], padded with zeros."""
    view = _pool_windows(x, kernel, strides, pads, dilations, ceil_mode, 0)
    return np.sum(np.abs(view) ** p, axis=tuple(range(x.ndim, view.ndim))) ** (1 / p)


# -- normalisation -------------------------------------------------------------------------------


def _channel_norm(x: TensorType, *parameters: TensorType | None, **_: Any) -> TensorType:
    if x.rank < 2:
        raise TypeRuleError(f"x is {x}, must have rank 2 or more")
    for parameter in parameters:
        if parameter is not None:
            check_rank("a parameter", parameter, 1)
            check_same("channels and a parameter", x.shape[1], parameter.shape[0])
    return x


@op(infer=_channel_norm, traits=_COMPOSITE, precision=WIDE)
def batch_norm(x: Float, scale: Float, bias: Float, mean: Float, variance: Float, *, epsilon: float = 1e-5) -> Array:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, by channel with given statistics [C] (arXiv:1502.03167)."""
    factor = scale / np.sqrt(variance + np.asarray(epsilon, x.dtype))
    return (x - _per_channel(mean, x.ndim)) * _per_channel(factor, x.ndim) + _per_channel(bias, x.ndim)


@batch_norm.decomposition
def _(b: Builder, x: Value, scale: Value, bias: Value, mean: Value, variance: Value, *, epsilon: float) -> Value:
    factor = b.div(scale, b.sqrt(b.add(variance, epsilon)))
    centred = b.sub(x, channels(b, mean, x.rank))
    return b.add(b.mul(centred, channels(b, factor, x.rank)), channels(b, bias, x.rank))


def _tail_norm(x: TensorType, *parameters: TensorType | None, axis: int, **_: Any) -> TensorType:
    check_axes((axis,), x.rank)
    for parameter in parameters:
        if parameter is not None and broadcast(parameter.shape, x.shape[axis:]) != x.shape[axis:]:
            raise TypeRuleError(f"{parameter} does not broadcast to the last {x.rank - axis} dimensions of {x}")
    return x


@op(infer=_tail_norm, traits=_COMPOSITE, precision=WIDE)
def layer_norm(
    x: Float, scale: Float | None = None, bias: Float | None = None, *, axis: int, epsilon: float = 1e-5
) -> Array:
    """x with mean 0 and variance 1 over dimensions axis..last, then * scale + bias (arXiv:1607.06450)."""
    axes = tuple(range(axis, x.ndim))
    return _affine(_standardized(x, axes, epsilon), scale, bias)


@layer_norm.decomposition
def _(
    b: Builder, x: Value, scale: Value | None = None, bias: Value | None = None, *, axis: int, epsilon: float
) -> Value:
    return scaled(b, standardize(b, x, tuple(range(axis, x.rank)), epsilon), scale, bias)


@op(infer=_tail_norm, traits=_COMPOSITE, precision=WIDE)
def rms_norm(x: Float, scale: Float | None = None, *, axis: int, epsilon: float = 1e-5) -> Array:
    """x / sqrt(mean(x * x) + epsilon) over dimensions axis..last, then * scale (arXiv:1910.07467)."""
    power = np.mean(x * x, axis=tuple(range(axis, x.ndim)), keepdims=True)
    return _affine(x / np.sqrt(power + np.asarray(epsilon, x.dtype)), scale, None)


@rms_norm.decomposition
def _(b: Builder, x: Value, scale: Value | None = None, *, axis: int, epsilon: float) -> Value:
    power = b.reduce_mean(b.mul(x, x), axes=tuple(range(axis, x.rank)), keepdims=True)
    return scaled(b, b.div(x, b.sqrt(b.add(power, epsilon))), scale, None)


@op(infer=_channel_norm, traits=_COMPOSITE, precision=WIDE)
def instance_norm(x: Float, scale: Float, bias: Float, *, epsilon: float = 1e-5) -> Array:
    """x with mean 0 and variance 1 over the spatial dimensions, then * scale + bias by channel (arXiv:1607.08022)."""
    normal = _standardized(x, tuple(range(2, x.ndim)), epsilon)
    return _affine(normal, _per_channel(scale, x.ndim), _per_channel(bias, x.ndim))


@instance_norm.decomposition
def _(b: Builder, x: Value, scale: Value, bias: Value, *, epsilon: float) -> Value:
    normal = standardize(b, x, tuple(range(2, x.rank)), epsilon)
    return scaled(b, normal, channels(b, scale, x.rank), channels(b, bias, x.rank))


def _group_norm(x: TensorType, scale: TensorType, bias: TensorType, *, groups: int, **_: Any) -> TensorType:
    count = x.shape[1] if x.rank > 1 else 0
    if groups < 1 or (isinstance(count, int) and count % groups):
        raise TypeRuleError(f"{groups} groups do not divide {count} channels")
    return _channel_norm(x, scale, bias)


@op(infer=_group_norm, traits=_COMPOSITE, precision=WIDE)
def group_norm(x: Float, scale: Float, bias: Float, *, groups: int, epsilon: float = 1e-5) -> Array:
    """x with mean 0 and variance 1 over each group of channels, then * scale + bias by channel (arXiv:1803.08494)."""
    split = x.reshape(x.shape[0], groups, -1)
    normal = _standardized(split, (2,), epsilon).reshape(x.shape)
    return _affine(normal, _per_channel(scale, x.ndim), _per_channel(bias, x.ndim))


@group_norm.decomposition
def _(b: Builder, x: Value, scale: Value, bias: Value, *, groups: int, epsilon: float) -> Value:
    per_group = x.type.with_shape(x.shape[1:]).numel() // groups
    split = b.reshape(x, shape=(x.shape[0], groups, per_group))
    normal = b.reshape(standardize(b, split, (2,), epsilon), shape=x.shape)
    return scaled(b, normal, channels(b, scale, x.rank), channels(b, bias, x.rank))


@op(infer=_channel_norm, precision=fragile("sums squares and raises them to a power"))
def lrn(x: Float, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Array:
    """x / (bias + alpha / size * sum of squares over `size` channels around)^beta (Krizhevsky et al., 2012)."""
    before = (size - 1) // 2
    squares = np.pad(x * x, ((0, 0), (before, size - 1 - before), *[(0, 0)] * (x.ndim - 2)))
    total = np.lib.stride_tricks.sliding_window_view(squares, size, axis=1).sum(axis=-1)
    return x / (np.asarray(bias, x.dtype) + np.asarray(alpha / size, x.dtype) * total) ** np.asarray(beta, x.dtype)


# -- shared --------------------------------------------------------------------------------------


def channels(b: Builder, parameter: Value, rank: int) -> Value:
    """A vector [C] shaped to broadcast over [N, C, *spatial]."""
    return b.reshape(parameter, shape=(parameter.shape[0], *[1] * (rank - 2)))


def standardize(b: Builder, x: Value, axes: Ints, epsilon: float) -> Value:
    """(x - mean) / sqrt(variance + epsilon) over `axes`, from primitive ops."""
    centred = b.sub(x, b.reduce_mean(x, axes=axes, keepdims=True))
    variance = b.reduce_mean(b.mul(centred, centred), axes=axes, keepdims=True)
    return b.div(centred, b.sqrt(b.add(variance, epsilon)))


def scaled(b: Builder, x: Value, scale: Value | None, bias: Value | None) -> Value:
    """x * scale + bias, each where present."""
    x = x if scale is None else b.mul(x, scale)
    return x if bias is None else b.add(x, bias)


def _standardized(x: Array, axes: Ints, epsilon: float) -> Array:
    centred = x - np.mean(x, axis=axes, keepdims=True)
    variance = np.mean(centred * centred, axis=axes, keepdims=True)
    return centred / np.sqrt(variance + np.asarray(epsilon, x.dtype))


def _affine(x: Array, scale: Array | None, bias: Array | None) -> Array:
    x = x if scale is None else x * scale
    return x if bias is None else x + bias


def _per_channel(parameter: Array, rank: int) -> Array:
    return parameter.reshape(-1, *[1] * (rank - 2))


def _lowest(x: Array) -> Any:
    return np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf


def _static(kernel: tuple[Dim, ...]) -> list[int]:
    sizes = [k for k in kernel if isinstance(k, int)]
    if len(sizes) != len(kernel):
        raise TypeRuleError("the kernel's sizes must be numbers")
    return sizes


def _check_windows(
    x: TensorType, kernel: tuple[Dim, ...], strides: Ints, pads: Pads, dilations: Ints
) -> tuple[Dim, ...]:
    spatial = x.shape[2:]
    if x.rank < 3:
        raise TypeRuleError(f"x is {x}, must have at least one spatial dimension after [N, C]")
    for name, given in (("kernel", kernel), ("strides", strides), ("pads", pads), ("dilations", dilations)):
        if len(given) != len(spatial):
            raise TypeRuleError(f"{name} has {len(given)} items for {len(spatial)} spatial axes")
    steps, margins = (*_static(kernel), *strides, *dilations), [side for pair in pads for side in pair]
    if min(steps) < 1 or min(margins) < 0:
        raise TypeRuleError("kernel, strides and dilations must be positive and pads not negative")
    if max(*steps, *margins) > _LARGEST_WINDOW:
        raise TypeRuleError(f"kernel, strides, dilations and pads must not exceed {_LARGEST_WINDOW}")
    return spatial


def _grown(
    x: Array, kernel: Ints, strides: Ints, pads: Pads, dilations: Ints, ceil_mode: bool
) -> list[tuple[int, int]]:
    if not ceil_mode:
        return list(pads)
    grown = []
    for size, k, s, p, d in zip(x.shape[2:], kernel, strides, pads, dilations, strict=True):
        count = window_size(size, k, s, p, d, ceil_mode)
        assert isinstance(count, int)
        grown.append(ceil_padding(size, count, k, s, p, d))
    return grown


def _pool_windows(
    x: Array, kernel: Ints, strides: Ints, pads: Pads, dilations: Ints, ceil_mode: bool, fill: Any
) -> Array:
    grown = _grown(x, kernel, strides, pads, dilations, ceil_mode)
    return windows(padded(x, grown, fill), kernel, strides, dilations)
