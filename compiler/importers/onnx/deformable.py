"""Deformable convolution."""

from __future__ import annotations

from isthmus.compiler.importers.deformable import Window, deformable_conv
from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.onnx.windows import Ints, ones_unless, pads_from
from isthmus.ir.dim import equal, floordiv
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value


@lowers("DeformConv", since=19)
def deform_conv(
    b: OnnxBuilder,
    x: Value,
    weight: Value,
    offset: Value,
    bias: Value | None = None,
    mask: Value | None = None,
    *,
    dilations: Ints | None = None,
    group: int = 1,
    kernel_shape: Ints | None = None,
    offset_group: int = 1,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    """Of images: two spatial axes."""
    if x.rank != 4 or offset.rank != 4:
        raise UnsupportedModel(f"DeformConv of {x.rank - 2} spatial axes, not 2")
    if weight.rank != 4 or kernel_shape not in (None, weight.shape[2:]):
        raise MalformedModel(f"DeformConv: kernel_shape is {kernel_shape}, the weight is {weight}")
    if group < 1 or offset_group < 1:
        raise MalformedModel(f"DeformConv: {group} groups, {offset_group} groups of offsets")
    padding, steps, apart = (
        pads_from(pads, 2),
        ones_unless(strides, 2, "strides"),
        ones_unless(dilations, 2, "dilations"),
    )
    if min(steps) < 1 or min(apart) < 1:
        raise MalformedModel(f"DeformConv: strides {steps} and dilations {apart} must be 1 or more")
    for size, kernel, (low, high), step, between, out in zip(
        x.shape[2:], weight.shape[2:], padding, steps, apart, offset.shape[2:], strict=True
    ):
        windows = floordiv(size + low + high - (kernel - 1) * between - 1, step) + 1
        if equal(windows, out) is False:
            raise MalformedModel(f"DeformConv: {offset} for {windows} windows along an axis of {size}")
    window = Window((steps[0], steps[1]), (padding[0][0], padding[1][0]), (apart[0], apart[1]))
    return deformable_conv(b, x, weight, offset, mask, bias, window, groups=group, offset_groups=offset_group)
