"""Convolutions and poolings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.onnx.windows import (
    AutoPad,
    Ints,
    Pads,
    ones_unless,
    pads_from,
    resolve_padding,
    static_sizes,
)
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value


@lowers("Conv")
def conv(
    b: OnnxBuilder,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    *,
    auto_pad: AutoPad = "NOTSET",
    dilations: Ints | None = None,
    group: int = 1,
    kernel_shape: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    kernel = kernel_of(weight, kernel_shape)
    strides = ones_unless(strides, len(kernel), "strides")
    dilations = ones_unless(dilations, len(kernel), "dilations")
    x, padding = resolve_padding(b, x, auto_pad, pads, kernel, strides, dilations)
    return b.conv(x, weight, bias, strides=strides, pads=padding, dilations=dilations, groups=group)


@lowers("ConvTranspose")
def conv_transpose(
    b: OnnxBuilder,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    *,
    auto_pad: AutoPad = "NOTSET",
    dilations: Ints | None = None,
    group: int = 1,
    kernel_shape: Ints | None = None,
    output_padding: Ints | None = None,
    output_shape: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    kernel = kernel_of(weight, kernel_shape)
    count = len(kernel)
    strides = ones_unless(strides, count, "strides")
    dilations = ones_unless(dilations, count, "dilations")
    extra = (0,) * count if output_padding is None else ones_unless(output_padding, count, "output_padding")
    padding = pads_from(pads, count)
    if output_shape is not None or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        if output_shape is None:
            surplus = [r + e - s for r, e, s in zip(reach, extra, strides, strict=True)]
        else:
            sizes = static_sizes(x.shape[2:], "x with output_shape")
            if len(sizes) != count:
                raise MalformedModel(f"{x} does not have {count} spatial axes")
            wanted = ones_unless(output_shape[-count:], count, "output_shape")
            full = [(n - 1) * s + e + r for n, s, e, r in zip(sizes, strides, extra, reach, strict=True)]
            surplus = [f - o for f, o in zip(full, wanted, strict=True)]
        padding, extra = _cut(surplus, extra, auto_pad == "SAME_UPPER")
    return b.conv_transpose(
        x, weight, bias, strides=strides, pads=padding, dilations=dilations, output_padding=extra, groups=group
    )


@lowers("MaxPool")
def max_pool(
    b: OnnxBuilder,
    x: Value,
    *,
    kernel_shape: Ints,
    auto_pad: AutoPad = "NOTSET",
    ceil_mode: bool = False,
    dilations: Ints | None = None,
    pads: Ints | None = None,
    storage_order: int = 0,
    strides: Ints | None = None,
) -> Value | tuple[Value, Value]:
    count = len(kernel_shape)
    strides = ones_unless(strides, count, "strides")
    dilations = ones_unless(dilations, count, "dilations")
    fill = -math.inf if x.dtype.is_float else None
    x, padding = resolve_padding(b, x, auto_pad, pads, kernel_shape, strides, dilations, fill)
    window: dict[str, Any] = {
        "kernel": kernel_shape,
        "strides": strides,
        "pads": padding,
        "dilations": dilations,
        "ceil_mode": ceil_mode,
    }
    if not b.wants(1):
        return b.max_pool(x, **window)
    if storage_order:
        raise UnsupportedModel("MaxPool: indices in column-major order (storage_order=1)")
    values, indices = b.max_pool_with_indices(x, **window)
    return values, indices


@lowers("AveragePool")
def average_pool(
    b: OnnxBuilder,
    x: Value,
    *,
    kernel_shape: Ints,
    auto_pad: AutoPad = "NOTSET",
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    dilations: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    count = len(kernel_shape)
    strides = ones_unless(strides, count, "strides")
    dilations = ones_unless(dilations, count, "dilations")
    fill = 0.0 if count_include_pad else None
    x, padding = resolve_padding(b, x, auto_pad, pads, kernel_shape, strides, dilations, fill)
    return b.avg_pool(
        x,
        kernel=kernel_shape,
        strides=strides,
        pads=padding,
        dilations=dilations,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
    )


@lowers("LpPool")
def lp_pool(
    b: OnnxBuilder,
    x: Value,
    *,
    kernel_shape: Ints,
    auto_pad: AutoPad = "NOTSET",
    ceil_mode: bool = False,
    dilations: Ints | None = None,
    p: int = 2,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    count = len(kernel_shape)
    strides = ones_unless(strides, count, "strides")
    dilations = ones_unless(dilations, count, "dilations")
    x, padding = resolve_padding(b, x, auto_pad, pads, kernel_shape, strides, dilations)
    return b.lp_pool(
        x, kernel=kernel_shape, strides=strides, pads=padding, dilations=dilations, ceil_mode=ceil_mode, p=p
    )


@lowers("GlobalAveragePool")
def global_average_pool(b: OnnxBuilder, x: Value) -> Value:
    return b.reduce_mean(x, axes=tuple(range(2, x.rank)), keepdims=True)


@lowers("GlobalMaxPool")
def global_max_pool(b: OnnxBuilder, x: Value) -> Value:
    return b.reduce_max(x, axes=tuple(range(2, x.rank)), keepdims=True)


@lowers("GlobalLpPool")
def global_lp_pool(b: OnnxBuilder, x: Value, *, p: int = 2) -> Value:
    powers = b.pow(b.abs(x), float(p))
    return b.pow(b.reduce_sum(powers, axes=tuple(range(2, x.rank)), keepdims=True), 1 / p)


def kernel_of(weight: Value, declared: Ints | None) -> Ints:
    """The kernel's sizes as the weight has them. MalformedModel where the attribute says otherwise."""
    kernel = static_sizes(weight.shape[2:], "weight")
    if declared is not None and tuple(declared) != kernel:
        raise MalformedModel(f"kernel_shape {list(declared)} but weight is {weight.type}")
    return kernel


def _cut(surplus: Sequence[int], extra: Ints, upper: bool) -> tuple[Pads, Ints]:
    """What to cut off at both ends; where the result is to be larger than it is, what to add at its end."""
    pads, more = [], []
    for total, e in zip(surplus, extra, strict=True):
        small, large = max(total, 0) // 2, max(total, 0) - max(total, 0) // 2
        pads.append((small, large) if upper else (large, small))
        more.append(e + max(-total, 0))
    return tuple(pads), tuple(more)
