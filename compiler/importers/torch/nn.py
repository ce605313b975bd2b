"""Convolutions and poolings. A tensor without the batch dimension gets one, and loses it afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from isthmus.compiler.importers.torch.args import reshaped, spread, static_sizes
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import AtenLowering, aten
from isthmus.ir.dim import Dim, ceildiv, equal
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value

Ints: TypeAlias = int | Sequence[int]


def batched(b: TorchBuilder, x: Value, spatial: int, apply: Callable[[Value], Value]) -> Value:
    """`apply` to x as [N, C, *spatial], whatever it lacks or has in front of [C, *spatial]."""
    if x.rank == spatial + 2:
        return apply(x)
    y = apply(b.reshape(x, shape=(1, *x.shape)))
    return b.reshape(y, shape=y.shape[1:])


def _conv(ops: Sequence[str], spatial: int) -> AtenLowering[Value]:
    @aten(*ops)
    def conv(
        b: TorchBuilder,
        x: Value,
        weight: Value,
        bias: Value | None = None,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
    ) -> Value:
        strides, dilations = spread(stride, spatial), spread(dilation, spatial)
        kernel = static_sizes(weight.shape[2:], "weight")
        pads = _same_pads(padding, kernel, dilations) if isinstance(padding, str) else _pairs(spread(padding, spatial))

        def apply(batch: Value) -> Value:
            return b.conv(batch, weight, bias, strides=strides, pads=pads, dilations=dilations, groups=groups)

        return batched(b, x, spatial, apply)

    return conv


def _conv_transpose(op: str, spatial: int) -> AtenLowering[Value]:
    @aten(op)
    def conv_transpose(
        b: TorchBuilder,
        x: Value,
        weight: Value,
        bias: Value | None = None,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        dilation: Ints = 1,
    ) -> Value:
        def apply(batch: Value) -> Value:
            return b.conv_transpose(
                batch,
                weight,
                bias,
                strides=spread(stride, spatial),
                pads=_pairs(spread(padding, spatial)),
                dilations=spread(dilation, spatial),
                output_padding=spread(output_padding, spatial),
                groups=groups,
            )

        return batched(b, x, spatial, apply)

    return conv_transpose


conv = tuple(_conv((f"conv{n}d",), n) for n in (1, 2, 3))
conv_transpose = (
    _conv_transpose("conv_transpose1d", 1),
    _conv_transpose("conv_transpose2d", 2),
    _conv_transpose("conv_transpose3d", 3),
)


@aten("convolution", "_convolution")
def convolution(
    b: TorchBuilder,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
    benchmark: bool = False,
    deterministic: bool = False,
    cudnn_enabled: bool = False,
    allow_tf32: bool = False,
) -> Value:
    spatial = weight.rank - 2
    if transposed:
        return conv_transpose[spatial - 1](b, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv[spatial - 1](b, x, weight, bias, stride, padding, dilation, groups)


# -- poolings ---------------------------------------------------------------------------------------------------------


def _max_pool(op: str, spatial: int) -> AtenLowering[Value]:
    @aten(op)
    def max_pool(
        b: TorchBuilder,
        x: Value,
        kernel_size: Ints,
        stride: Ints = (),
        padding: Ints = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
    ) -> Value:
        window = _window(spatial, kernel_size, stride, padding, dilation, ceil_mode)
        return batched(b, x, spatial, lambda batch: b.max_pool(batch, **window))

    return max_pool


def _max_pool_with_indices(op: str, spatial: int) -> AtenLowering[tuple[Value, Value]]:
    @aten(op)
    def max_pool_with_indices(
        b: TorchBuilder,
        x: Value,
        kernel_size: Ints,
        stride: Ints = (),
        padding: Ints = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
    ) -> tuple[Value, Value]:
        """torch counts places within a channel, the IR's op within the whole tensor."""
        window = _window(spatial, kernel_size, stride, padding, dilation, ceil_mode)
        batch = x if x.rank == spatial + 2 else b.reshape(x, shape=(1, *x.shape))
        values, places = b.max_pool_with_indices(batch, **window)
        plane: Dim = 1
        for size in batch.shape[2:]:
            plane = plane * size
        within = b.mod(places, b.reshape(b.dims((plane,)), shape=()))
        shape = values.shape[-x.rank :]
        return reshaped(b, values, shape), reshaped(b, within, shape)

    return max_pool_with_indices


def _avg_pool(op: str, spatial: int) -> AtenLowering[Value]:
    @aten(op)
    def avg_pool(
        b: TorchBuilder,
        x: Value,
        kernel_size: Ints,
        stride: Ints = (),
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Value:
        window = _window(spatial, kernel_size, stride, padding, 1, ceil_mode)
        if divisor_override is None:
            return batched(
                b, x, spatial, lambda batch: b.avg_pool(batch, **window, count_include_pad=count_include_pad)
            )
        if ceil_mode:
            raise UnsupportedModel("an average pooling with a divisor of its own and ceil_mode")
        mean = batched(b, x, spatial, lambda batch: b.avg_pool(batch, **window, count_include_pad=True))
        return b.mul(mean, math.prod(window["kernel"]) / divisor_override)

    return avg_pool


def _adaptive(op: str, spatial: int, mean: bool) -> AtenLowering[Value | tuple[Value, None]]:
    @aten(op)
    def adaptive_pool(b: TorchBuilder, x: Value, output_size: Sequence[Dim] | Dim) -> Value | tuple[Value, None]:
        """Window i of n reaches from floor(i * size / n) to ceil((i + 1) * size / n)."""
        wanted = [output_size] * spatial if isinstance(output_size, int) else list(output_size)  # type: ignore[arg-type]
        y = batched(b, x, spatial, lambda batch: _pooled_to(b, batch, wanted, mean))
        return y if mean else (y, None)

    return adaptive_pool


max_pool = tuple(_max_pool(f"max_pool{n}d", n) for n in (1, 2, 3))
max_pool_with_indices = tuple(_max_pool_with_indices(f"max_pool{n}d_with_indices", n) for n in (2, 3))
avg_pool = tuple(_avg_pool(f"avg_pool{n}d", n) for n in (1, 2, 3))
adaptive = (
    _adaptive("adaptive_avg_pool1d", 1, True),
    _adaptive("adaptive_avg_pool2d", 2, True),
    _adaptive("_adaptive_avg_pool2d", 2, True),
    _adaptive("adaptive_avg_pool3d", 3, True),
    _adaptive("_adaptive_avg_pool3d", 3, True),
    _adaptive("adaptive_max_pool1d", 1, False),
    _adaptive("adaptive_max_pool2d", 2, False),
    _adaptive("adaptive_max_pool3d", 3, False),
)


def _pooled_to(b: TorchBuilder, x: Value, wanted: Sequence[Dim], mean: bool) -> Value:
    for i, size in enumerate(wanted):
        axis = i + 2
        if equal(x.shape[axis], size) is not True and size != 1:
            break
    else:
        axes = tuple(i + 2 for i, size in enumerate(wanted) if size == 1)
        reduce = b.reduce_mean if mean else b.reduce_max
        return reduce(x, axes=axes, keepdims=True) if axes else x
    sizes = x.shape[2:]
    if all(isinstance(n, int) for n in (*sizes, *wanted)):
        whole, parts = static_sizes(sizes, "x"), static_sizes(wanted, "the result")
        if all(size % n == 0 for size, n in zip(whole, parts, strict=True)):
            kernel = tuple(size // n for size, n in zip(whole, parts, strict=True))
            window = _window(len(kernel), kernel, kernel, 0, 1, False)
            return b.avg_pool(x, **window) if mean else b.max_pool(x, **window)
    for i, size in enumerate(wanted):
        x = _pooled_along(b, x, i + 2, size, mean)
    return x


def _pooled_along(b: TorchBuilder, x: Value, axis: int, parts: Dim, mean: bool) -> Value:
    """Pooling along one axis into parts that may overlap, and differ in width by one."""
    size = x.shape[axis]
    if equal(size, parts) is True:
        return x
    if not isinstance(parts, int):
        raise UnsupportedModel(f"adaptive pooling to the symbolic size {parts}")
    if isinstance(size, int):
        return _gathered_pool(b, x, axis, parts, mean)
    reduce = b.reduce_mean if mean else b.reduce_max
    pieces = [
        reduce(
            b.slice(x, axes=(axis,), starts=(i * size // parts,), stops=(ceildiv((i + 1) * size, parts),), steps=(1,)),
            axes=(axis,),
            keepdims=True,
        )
        for i in range(parts)
    ]
    return b.concat(*pieces, axis=axis) if len(pieces) > 1 else pieces[0]


def _gathered_pool(b: TorchBuilder, x: Value, axis: int, parts: int, mean: bool) -> Value:
    """The parts' elements side by side on an axis of their own; narrow parts have their last element twice."""
    (size,) = static_sizes(x.shape[axis : axis + 1], "x")
    places = np.arange(parts)
    starts, stops = places * size // parts, -(-(places + 1) * size // parts)
    widths = stops - starts
    reached = starts[:, None] + np.arange(widths.max())
    if reached.shape[1] == 1:
        return b.gather(x, b.const(starts), axis=axis)
    windows = b.gather(x, b.const(np.minimum(reached, stops[:, None] - 1)), axis=axis)
    inner = (axis + 1,)
    if not mean:
        return b.reduce_max(windows, axes=inner)
    if widths.min() == widths.max():
        return b.reduce_mean(windows, axes=inner)
    behind = [1] * (x.rank - axis - 1)
    inside = b.const((reached < stops[:, None]).reshape(*reached.shape, *behind))
    total = b.reduce_sum(b.where(inside, windows, 0.0), axes=inner)
    return b.div(total, b.const(widths.reshape(parts, *behind), x.dtype))


def _window(
    spatial: int, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> dict[str, Any]:
    """What the IR's poolings take: a missing stride is the kernel's size."""
    kernel = spread(kernel_size, spatial)
    return {
        "kernel": kernel,
        "strides": kernel if not isinstance(stride, int) and not stride else spread(stride, spatial),
        "pads": _pairs(spread(padding, spatial)),
        "dilations": spread(dilation, spatial),
        "ceil_mode": ceil_mode,
    }


def _pairs(padding: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple((p, p) for p in padding)


def _same_pads(padding: str, kernel: Sequence[int], dilations: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """torch puts the odd element of "same" padding at the end."""
    if padding == "valid":
        return tuple((0, 0) for _ in kernel)
    totals = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)
