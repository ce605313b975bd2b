"""Channels and pixels that change places."""

from __future__ import annotations

from isthmus.compiler.importers.torch.args import reshaped
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import product
from isthmus.ir.graph import Value


@aten("pixel_shuffle")
def pixel_shuffle(b: TorchBuilder, x: Value, upscale_factor: int) -> Value:
    """Of [..., C * f * f, H, W]: what stands before the channels is one batch."""
    f = upscale_factor
    *before, c, h, w = x.shape
    images = reshaped(b, x, (product(before), c, h, w))
    return reshaped(b, b.depth_to_space(images, block=f, mode="CRD"), (*before, c // (f * f), h * f, w * f))


@aten("pixel_unshuffle")
def pixel_unshuffle(b: TorchBuilder, x: Value, downscale_factor: int) -> Value:
    *before, c, h, w = x.shape
    f = downscale_factor
    images = b.reshape(x, shape=(product(before), c, h // f, f, w // f, f))
    parts = b.transpose(images, perm=(0, 1, 3, 5, 2, 4))
    return b.reshape(parts, shape=(*before, c * f * f, h // f, w // f))


@aten("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(b: TorchBuilder, x: Value, groups: int) -> Value:
    n, c, *rest = x.shape
    split = b.reshape(x, shape=(n, groups, c // groups, *rest))
    return b.reshape(b.transpose(split, perm=(0, 2, 1, *range(3, split.rank))), shape=x.shape)
