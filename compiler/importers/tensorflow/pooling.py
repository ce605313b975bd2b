"""Poolings."""

from __future__ import annotations

import math

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.args import converted
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.layout import from_first, spatial, to_first
from isthmus.compiler.importers.tensorflow.windows import Ints, windows_of, with_numbers
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64, DType


@lowers("MaxPool", "MaxPool3D")
def max_pool(
    b: TfBuilder,
    x: Value,
    *,
    ksize: Ints,
    strides: Ints,
    padding: str,
    data_format: str = "",
    explicit_paddings: Ints = (),
) -> Value:
    return _max_pool(b, x, ksize, strides, padding, data_format, explicit_paddings)


@lowers("MaxPoolV2")
def max_pool_v2(
    b: TfBuilder, x: Value, ksize: Value, strides: Value, *, padding: str, data_format: str = "NHWC"
) -> Value:
    window, steps = b.integers(ksize, "MaxPoolV2: ksize"), b.integers(strides, "MaxPoolV2: strides")
    return _max_pool(b, x, window, steps, padding, data_format, ())


@lowers("AvgPool", "AvgPool3D")
def avg_pool(b: TfBuilder, x: Value, *, ksize: Ints, strides: Ints, padding: str, data_format: str = "") -> Value:
    """Padding counts for nothing; where its size is symbolic, zeros and ones are averaged and divided."""
    data_format = data_format or ("NHWC" if x.rank == 4 else "NDHWC")
    kernel = spatial(ksize, data_format, x.rank, "ksize")
    windows = windows_of(x, data_format, strides, padding)
    steps, ones = windows.strides, windows.dilations
    planes = to_first(b, x, data_format)
    asked = windows.pads(planes.shape[2:], kernel)
    wide, pads = with_numbers(b, planes, asked)
    found = b.avg_pool(wide, kernel=kernel, strides=steps, pads=pads, dilations=ones)
    if wide is not planes:
        covered = b.full(b.const(1.0, x.dtype), shape=(1, 1, *planes.shape[2:]))
        shares, _ = with_numbers(b, covered, asked)
        found = b.div(found, b.avg_pool(shares, kernel=kernel, strides=steps, pads=pads, dilations=ones))
    return from_first(b, found, data_format)


@lowers("MaxPoolWithArgmax")
def max_pool_with_argmax(
    b: TfBuilder,
    x: Value,
    *,
    ksize: Ints,
    strides: Ints,
    padding: str,
    targmax: DType = I64,
    include_batch_in_index: bool = False,
) -> tuple[Value, Value]:
    """And where in [N, H, W, C], laid out flat, each maximum stands; N counts only where the attribute says so."""
    kernel = spatial(ksize, "NHWC", x.rank, "ksize")
    windows = windows_of(x, "NHWC", strides, padding)
    planes = to_first(b, x, "NHWC")
    batch, channels, height, width = planes.shape
    padded, pads = with_numbers(b, planes, windows.pads((height, width), kernel), -math.inf)
    if padded is not planes:
        raise UnsupportedModel("MaxPoolWithArgmax: padding has symbolic sizes", hint="give fixed sizes with inputs=")
    found, places = b.max_pool_with_indices(
        planes, kernel=kernel, strides=windows.strides, pads=pads, dilations=windows.dilations
    )
    within = b.mod(places, b.dims((height * width,)))  # the IR counts as [N, C, H, W]
    channel = b.iota(dtype=I64, shape=(1, channels, 1, 1), axis=1)
    flat = b.add(b.mul(within, b.dims((channels,))), channel)
    if include_batch_in_index:
        image = b.iota(dtype=I64, shape=(batch, 1, 1, 1), axis=0)
        flat = b.add(flat, b.mul(image, b.dims((height * width * channels,))))
    return from_first(b, found, "NHWC"), converted(b, from_first(b, flat, "NHWC"), targmax)


def _max_pool(
    b: TfBuilder, x: Value, ksize: Ints, strides: Ints, padding: str, data_format: str, explicit: Ints
) -> Value:
    data_format = data_format or ("NHWC" if x.rank == 4 else "NDHWC")
    kernel = spatial(ksize, data_format, x.rank, "ksize")
    windows = windows_of(x, data_format, strides, padding, explicit=explicit)
    planes, pads = windows.over(b, x, kernel, -math.inf)
    found = b.max_pool(planes, kernel=kernel, strides=windows.strides, pads=pads, dilations=windows.dilations)
    return from_first(b, found, data_format)
