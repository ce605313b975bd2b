"""Convolutions. Along one spatial dimension they run as two-dimensional ones of height 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from isthmus.backends.emitter import emits
from isthmus.backends.tensorrt.emit.shape import window
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.backends.tensorrt.tensors import contiguous, weights_over
from isthmus.ir.graph import Node
from isthmus.ir.types import BF16, F32, Array, DType

Ints: TypeAlias = tuple[int, ...]
Pads: TypeAlias = tuple[tuple[int, int], ...]


def _unsuited(node: Node) -> str | None:
    spatial = node.inputs[0].rank - 2
    if spatial > 3:
        return f"the engine has windows over at most 3 spatial dimensions, not {spatial}"
    if any(not isinstance(d, int) for d in node.inputs[1].shape):
        return "the engine's convolutions take weights of known sizes"
    if 0 in (*node.inputs[0].shape, *node.inputs[1].shape, *node.result.shape):
        return "the engine has no convolution of nothing"
    return None


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
    """Plain or grouped; weights and bias that are constant are the layer's own."""
    maps = n.node.result.shape[1]
    layer = _layer(
        n, n.definition.add_convolution_nd, x, maps, (weight, bias), strides, pads, dilations, groups, dtype=n.x.dtype
    )
    return flattened(n, n.of(layer), n.x.rank)


def _stretched_and_gapped(node: Node) -> str | None:
    stretched = max(node.attrs["strides"]) > 1 and max(node.attrs["dilations"]) > 1
    if stretched and node.inputs[1].constant is None:
        return "the engine's deconvolution has no kernel for strides and dilations at once, unless weights are constant"
    return _unsuited(node)


@emits("conv_transpose", unless=_stretched_and_gapped)
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
    """The engine's deconvolution cuts less off for what is added at the end; what goes beyond that is only bias.

    Where it would have to stride and dilate at once, weights hold the gaps as zeros. It has no kernel for bf16, which
    is computed in f32.
    """
    given = n.x.dtype
    dtype = F32 if given == BF16 else given
    maps = n.node.result.shape[1]
    beyond = [max(extra - high, 0) for extra, (_, high) in zip(output_padding, pads, strict=True)]
    cut = tuple((low, max(high - extra, 0)) for extra, (low, high) in zip(output_padding, pads, strict=True))
    own = None if any(beyond) else bias
    fill_gaps = max(strides) > 1 and max(dilations) > 1
    layer = _layer(
        n,
        n.definition.add_deconvolution_nd,
        n.cast(x, dtype),
        maps,
        (weight, own),
        strides,
        cut,
        dilations,
        groups,
        dtype=dtype,
        fill_gaps=fill_gaps,
    )
    result = flattened(n, n.of(layer), n.x.rank)
    if not any(beyond):
        return n.cast(result, given)
    axes = [axis for axis, more in enumerate(beyond, 2) if more]
    sizes = [n.node.result.shape[axis] for axis in axes]
    result = window(n, result, axes, [0] * len(axes), sizes, mode="FILL")
    if bias is not None:
        result = n.elementwise("SUM", result, n.reshape(n.cast(bias, dtype), (1, maps, *[1] * (n.x.rank - 2))))
    return n.cast(result, given)


def raised(n: Network, x: Handle, rank: int) -> Handle:
    """[N, C, L] as [N, C, 1, L]; more dimensions as they are."""
    return n.unsqueeze(x, (2,)) if rank == 3 else x


def flattened(n: Network, x: Handle, rank: int) -> Handle:
    """The inverse of `raised`."""
    return n.squeeze(x, (2,)) if rank == 3 else x


def place_windows(n: Network, layer: Any, strides: Ints, pads: Pads) -> None:
    """Strides and explicit padding of a layer with windows, after those of a height of 1 where there is one axis."""
    alone = len(strides) == 1
    layer.stride_nd = n.trt.Dims([*[1] * alone, *strides])
    layer.pre_padding = n.trt.Dims([*[0] * alone, *(low for low, _ in pads)])
    layer.post_padding = n.trt.Dims([*[0] * alone, *(high for _, high in pads)])


def _layer(
    n: Network,
    add: Callable[..., Any],
    x: Handle,
    maps: Any,
    parameters: tuple[Handle, Handle | None],
    strides: Ints,
    pads: Pads,
    dilations: Ints,
    groups: int,
    *,
    dtype: DType,
    fill_gaps: bool = False,
) -> Any:
    """A convolution or deconvolution whose parameters are weights where they are constant, else further inputs.

    Parameters are brought to `dtype`, which is that of x.
    """
    alone = len(strides) == 1
    value, *rest = n.node.inputs[1:]
    kernel = [*[1] * alone, *(d for d in value.shape[2:] if isinstance(d, int))]
    weight, bias = parameters
    array = value.array
    if fill_gaps and array is not None:
        array = _gapped(array, dilations)
        kernel, dilations = [*[1] * alone, *array.shape[2:]], (1,) * len(strides)
    if not isinstance(n.x.shape[1], int):
        inputs = value.shape[0] if n.node.op.name == "conv_transpose" else value.shape[1] * groups
        x = n.reshape(x, (n.x.shape[0], inputs, *n.x.shape[2:]))
    own = None if array is None else _weights(n, array, dtype)
    own_bias = None
    if bias is not None and rest[0].array is not None:
        own_bias = _weights(n, rest[0].array, dtype)
    layer = n.layer(add(raised(n, x, n.x.rank), maps, n.trt.Dims(kernel), own or n.trt.Weights()))
    if own is None:
        layer.set_input(1, raised(n, n.cast(weight, dtype), n.x.rank))
    if own_bias is not None:
        layer.bias = own_bias
    elif bias is not None:
        layer.set_input(2, n.cast(bias, dtype))
    place_windows(n, layer, strides, pads)
    layer.dilation_nd = n.trt.Dims([*[1] * alone, *dilations])
    layer.num_groups = groups
    return layer


def _gapped(weight: Array, dilations: Ints) -> Array:
    """Weights with the zeros that a dilation puts between them."""
    sizes = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True)]
    wide = np.zeros((*weight.shape[:2], *sizes), weight.dtype)
    wide[(slice(None), slice(None), *(slice(None, None, d) for d in dilations))] = weight
    return wide


def _weights(n: Network, array: Array, dtype: DType) -> Any:
    """`Weights` over an array's own memory, or over a copy in another element type."""
    kept = contiguous(array.astype(dtype.numpy, copy=False))
    n.kept.append(kept)
    return weights_over(n.trt, kept, dtype)
