"""Colours of [..., 3] images. Source: tensorflow/core/kernels/image/colorspace_op.h and adjust_*_op.cc."""

from __future__ import annotations

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.ir.dim import equal
from isthmus.ir.errors import MalformedModel
from isthmus.ir.graph import Value


@lowers("RGBToHSV")
def rgb_to_hsv(b: TfBuilder, x: Value) -> Value:
    return b.concat(*_hsv(b, x), axis=x.rank - 1)


@lowers("HSVToRGB")
def hsv_to_rgb(b: TfBuilder, x: Value) -> Value:
    return _rgb(b, *_channels(b, x))


@lowers("AdjustHue")
def adjust_hue(b: TfBuilder, x: Value, delta: Value) -> Value:
    """Hues are turned by delta, of which 1 is the whole circle."""
    hue, saturation, value = _hsv(b, x)
    return _rgb(b, b.mod(b.add(hue, delta), 1.0), saturation, value)


@lowers("AdjustSaturation")
def adjust_saturation(b: TfBuilder, x: Value, scale: Value) -> Value:
    hue, saturation, value = _hsv(b, x)
    return _rgb(b, hue, b.clip(b.mul(saturation, scale), 0.0, 1.0), value)


@lowers("AdjustContrastv2")
def adjust_contrast(b: TfBuilder, x: Value, factor: Value) -> Value:
    """Each channel of each image [..., H, W, C] moves away from its mean by the factor."""
    if x.rank < 3:
        raise MalformedModel(f"{x} is no image")
    mean = b.reduce_mean(x, axes=(x.rank - 3, x.rank - 2), keepdims=True)
    return b.add(b.mul(b.sub(x, mean), factor), mean)


def _channels(b: TfBuilder, x: Value) -> tuple[Value, ...]:
    if not x.rank or equal(x.shape[-1], 3) is False:
        raise MalformedModel(f"{x} has no three channels")
    return tuple(b.split(x, axis=x.rank - 1, sizes=(1, 1, 1)))


def _hsv(b: TfBuilder, x: Value) -> tuple[Value, Value, Value]:
    """Hue in 0..1 where the circle closes, saturation and value; what is grey has hue 0."""
    red, green, blue = _channels(b, x)
    value = b.maximum(b.maximum(red, green), blue)
    reach = b.sub(value, b.minimum(b.minimum(red, green), blue))
    coloured, bright = b.greater(reach, 0.0), b.greater(value, 0.0)
    saturation = b.where(bright, b.div(reach, b.where(bright, value, 1.0)), 0.0)
    sixth = b.div(1.0, b.mul(b.where(coloured, reach, 1.0), 6.0))
    from_red = b.mul(sixth, b.sub(green, blue))
    from_green = b.add(b.mul(sixth, b.sub(blue, red)), 2.0 / 6.0)
    from_blue = b.add(b.mul(sixth, b.sub(red, green)), 4.0 / 6.0)
    hue = b.where(b.equal(red, value), from_red, b.where(b.equal(green, value), from_green, from_blue))
    hue = b.where(coloured, b.where(b.less(hue, 0.0), b.add(hue, 1.0), hue), 0.0)
    return hue, saturation, value


def _rgb(b: TfBuilder, hue: Value, saturation: Value, value: Value) -> Value:
    """A channel is how near the hue is to it, washed out by what saturation lacks, times the value."""
    centres, signs, offsets = (b.const(np.array(v, hue.dtype.numpy)) for v in ((3, 2, 4), (1, -1, -1), (-1, 2, 2)))
    away = b.abs(b.sub(b.mul(hue, 6.0), centres))
    share = b.clip(b.add(b.mul(signs, away), offsets), 0.0, 1.0)
    return b.mul(b.add(b.sub(1.0, saturation), b.mul(saturation, share)), value)
