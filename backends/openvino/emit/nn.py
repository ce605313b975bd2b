"""Convolutions, poolings and normalisations."""

from __future__ import annotations

from typing import TypeAlias

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.openvino.network import Handle, Network
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node
from isthmus.ir.types import F32

Ints: TypeAlias = tuple[int, ...]
Pads: TypeAlias = tuple[tuple[int, int], ...]


def _unsuited(node: Node) -> str | None:
    spatial = node.inputs[0].rank - 2
    if 0 in node.results[0].shape[2:]:
        return "the engine takes no window that fits nowhere"
    return None if spatial <= 3 else f"the engine has windows over at most 3 spatial dimensions, not {spatial}"


@emits("conv", unless=_unsuited)
def conv(
    n: Network,
    x: Handle,
    weight: Handle,
    bias: Handle | None = None,
    *,
    strides: Ints,
    pads: Pads,
    dilations: Ints,
    groups: int,
) -> Handle:
    """Plain or grouped; the engine fuses the bias."""
    begins, ends = _sides(pads)
    shape = n.node.inputs[1].shape
    if groups == 1:
        result = n.ops.convolution(x, weight, list(strides), begins, ends, list(dilations))
    else:
        filters = _reshaped(n, weight, 1, (groups, shape[0] // groups, *shape[1:]))
        result = n.ops.group_convolution(x, filters, list(strides), begins, ends, list(dilations))
    return _biased(n, result, bias)


@emits("conv_transpose", unless=_unsuited)
def conv_transpose(
    n: Network,
    x: Handle,
    weight: Handle,
    bias: Handle | None = None,
    *,
    strides: Ints,
    pads: Pads,
    dilations: Ints,
    output_padding: Ints,
    groups: int,
) -> Handle:
    """The engine's backprop-data convolution."""
    begins, ends = _sides(pads)
    shape = n.node.inputs[1].shape
    if groups == 1:
        write = n.ops.convolution_backprop_data
    else:
        write = n.ops.group_convolution_backprop_data
        weight = _reshaped(n, weight, 1, (groups, shape[0] // groups, *shape[1:]))
    result = write(
        x,
        weight,
        list(strides),
        pads_begin=begins,
        pads_end=ends,
        dilations=list(dilations),
        auto_pad="explicit",
        output_padding=list(output_padding),
    )
    return _biased(n, result, bias)


def _not_poolable(node: Node) -> str | None:
    windows = zip(
        node.inputs[0].shape[2:], *(node.attrs[name] for name in ("kernel", "dilations", "pads")), strict=True
    )
    for size, kernel, dilation, (before, after) in windows:
        if isinstance(size, int) and (kernel - 1) * dilation >= size + before + after:
            return "the engine takes no window that is larger than what it looks at"
    return _unsuited(node)


def _not_max_poolable(node: Node) -> str | None:
    dtype = node.inputs[0].dtype
    if dtype.is_integer and dtype.bits > 16:
        return f"the engine pools {dtype} in f32"
    return _not_poolable(node)


@emits("max_pool", "max_pool_with_indices", unless=_not_max_poolable)
def max_pool(
    n: Network, x: Handle, *, kernel: Ints, strides: Ints, pads: Pads, dilations: Ints, ceil_mode: bool
) -> list[Handle]:
    """Narrow integers are pooled in f32, which holds them."""
    begins, ends = _sides(pads)
    dtype = n.x.dtype
    floats = x if dtype.is_float else n.cast(x, F32)
    pooled = n.ops.max_pool(
        floats, list(strides), list(dilations), begins, ends, list(kernel), _rounding(ceil_mode), "explicit", "i64", 0
    )
    values, indices = pooled.outputs()
    values = values if dtype.is_float else n.cast(values, dtype)
    return [values, indices][: len(n.node.results)]


@emits("avg_pool", unless=_not_poolable)
def avg_pool(
    n: Network,
    x: Handle,
    *,
    kernel: Ints,
    strides: Ints,
    pads: Pads,
    dilations: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Handle:
    """The engine's average pool, which knows dilations since op set 16."""
    begins, ends = _sides(pads)
    return n.ops.avg_pool(
        x,
        list(strides),
        begins,
        ends,
        list(kernel),
        not count_include_pad,
        _rounding(ceil_mode),
        "explicit",
        dilations=list(dilations),
    )


def _not_lp_poolable(node: Node) -> str | None:
    if node.attrs["ceil_mode"]:
        return "written as an average pool, whose counts at the end differ with ceil_mode"
    return _not_poolable(node)


@emits("lp_pool", unless=_not_lp_poolable)
def lp_pool(
    n: Network, x: Handle, *, kernel: Ints, strides: Ints, pads: Pads, dilations: Ints, ceil_mode: bool, p: int
) -> Handle:
    """The p-th root of an average of p-th powers times the count."""
    powers = n.ops.power(n.ops.abs(x), n.like(p))
    mean = avg_pool.function(
        n,
        powers,
        kernel=kernel,
        strides=strides,
        pads=pads,
        dilations=dilations,
        ceil_mode=False,
        count_include_pad=True,
    )
    count = 1
    for size in kernel:
        count *= size
    return n.ops.power(n.ops.multiply(mean, n.like(count)), n.like(1 / p))


@emits("batch_norm")
def batch_norm(
    n: Network, x: Handle, scale: Handle, bias: Handle, mean: Handle, variance: Handle, *, epsilon: float
) -> Handle:
    """With given statistics."""
    return n.ops.batch_norm_inference(x, scale, bias, mean, variance, epsilon)


@emits("layer_norm")
def layer_norm(
    n: Network, x: Handle, scale: Handle | None = None, bias: Handle | None = None, *, axis: int, epsilon: float
) -> Handle:
    """Mean-variance normalisation, then scale and bias."""
    normal = _standardized(n, x, range(axis, n.x.rank), epsilon)
    scaled = normal if scale is None else n.ops.multiply(normal, scale)
    return scaled if bias is None else n.ops.add(scaled, bias)


@emits("instance_norm")
def instance_norm(n: Network, x: Handle, scale: Handle, bias: Handle, *, epsilon: float) -> Handle:
    """Mean-variance normalisation over the spatial dimensions."""
    normal = _standardized(n, x, range(2, n.x.rank), epsilon)
    return n.ops.add(n.ops.multiply(normal, _per_channel(n, scale, 1)), _per_channel(n, bias, 2))


@emits("group_norm")
def group_norm(n: Network, x: Handle, scale: Handle, bias: Handle, *, groups: int, epsilon: float) -> Handle:
    """The engine's group normalisation."""
    return n.ops.group_normalization(x, scale, bias, groups, epsilon)


def _even_window(node: Node) -> str | None:
    if node.attrs["bias"] <= 0:
        return "the engine's bias is 1, and this one cannot be divided out"
    return None if node.attrs["size"] % 2 else "the engine has windows of odd sizes only"


@emits("lrn", unless=_even_window)
def lrn(n: Network, x: Handle, *, size: int, alpha: float, beta: float, bias: float) -> Handle:
    """Across channels. The engine ignores the bias, so it is divided out first."""
    normal = n.ops.lrn(x, n.vector([1]), alpha / bias, beta, 1.0, size)
    return normal if bias == 1.0 else n.ops.multiply(normal, n.like(bias**-beta))


def _sides(pads: Pads) -> tuple[list[int], list[int]]:
    return [low for low, _ in pads], [high for _, high in pads]


def _rounding(ceil_mode: bool) -> str:
    return "ceil_torch" if ceil_mode else "floor"


def _standardized(n: Network, x: Handle, axes: range, epsilon: float) -> Handle:
    return n.ops.mvn(x, n.vector(list(axes)), True, epsilon, "inside_sqrt")


def _biased(n: Network, x: Handle, bias: Handle | None) -> Handle:
    return x if bias is None else n.ops.add(x, _per_channel(n, bias, 2))


def _per_channel(n: Network, parameter: Handle, operand: int) -> Handle:
    """A vector shaped to broadcast over [N, C, *spatial]."""
    value = n.node.operands[operand]
    assert value is not None
    return _reshaped(n, parameter, operand, (1, value.shape[0], *[1] * (n.x.rank - 2)))


def _reshaped(n: Network, parameter: Handle, operand: int, shape: tuple[Dim, ...]) -> Handle:
    """An operand in another shape; constants are seen anew instead of being copied by the engine."""
    value = n.node.operands[operand]
    assert value is not None
    if (array := value.array) is not None:
        return n.constant(array.reshape(shape), value.dtype)  # type: ignore[arg-type]
    return n.reshape(parameter, shape)


MISSING = lacks(rms_norm="the op set has none; the engine finds it in its primitive form")
