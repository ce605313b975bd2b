"""torchvision's deformable convolution."""

from __future__ import annotations

from isthmus.compiler.importers.deformable import Window, deformable_conv
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.graph import Value


@aten("torchvision::deform_conv2d")
def deform_conv2d(
    b: TorchBuilder,
    x: Value,
    weight: Value,
    offset: Value,
    mask: Value,
    bias: Value,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Value:
    window = Window((stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w))
    scales = mask if use_mask else None
    return deformable_conv(b, x, weight, offset, scales, bias, window, groups=groups, offset_groups=offset_groups)
