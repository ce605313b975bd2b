"""Convolutions, and the biases behind them."""

from __future__ import annotations

import math
from dataclasses import replace

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.atrous import Whole
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.layout import from_first, is_first, spatial
from isthmus.compiler.importers.tensorflow.linalg import fused
from isthmus.compiler.importers.tensorflow.windows import Ints, Windows, static, windows_of
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value


@lowers("Conv2D")
def conv_2d(
    b: TfBuilder,
    x: Value,
    weight: Value,
    *,
    strides: Ints,
    padding: str,
    data_format: str = "NHWC",
    dilations: Ints = (1, 1, 1, 1),
    explicit_paddings: Ints = (),
) -> Value:
    return convolved(b, x, weight, windows_of(x, data_format, strides, padding, dilations, explicit_paddings))


@lowers("Conv3D")
def conv_3d(
    b: TfBuilder,
    x: Value,
    weight: Value,
    *,
    strides: Ints,
    padding: str,
    data_format: str = "NDHWC",
    dilations: Ints = (1, 1, 1, 1, 1),
) -> Value:
    return convolved(b, x, weight, windows_of(x, data_format, strides, padding, dilations))


@lowers("Conv")
def conv_any(
    b: TfBuilder,
    x: Value,
    weight: Value,
    *,
    strides: Ints,
    padding: str,
    data_format: str = "CHANNELS_LAST",
    dilations: Ints = (),
    explicit_paddings: Ints = (),
    batch_dims: int = 1,
    groups: int = 1,
) -> Value:
    if batch_dims != 1 or groups != 1 or x.rank not in (4, 5):
        raise UnsupportedModel(f"Conv with batch_dims {batch_dims}, groups {groups} of rank {x.rank}")
    names = {"CHANNELS_LAST": ("NHWC", "NDHWC"), "CHANNELS_FIRST": ("NCHW", "NCDHW")}
    layout = names[data_format][x.rank - 4]
    return convolved(b, x, weight, windows_of(x, layout, strides, padding, dilations or None, explicit_paddings))


@lowers("_FusedConv2D")
def fused_conv_2d(
    b: TfBuilder,
    x: Value,
    weight: Value,
    *args: Value,
    fused_ops: tuple[str, ...],
    num_args: int,
    strides: Ints,
    padding: str,
    data_format: str = "NHWC",
    filter_format: str = "HWIO",
    dilations: Ints = (1, 1, 1, 1),
    explicit_paddings: Ints = (),
    epsilon: float = 1e-4,
    leakyrelu_alpha: float = 0.2,
    num_host_args: int = 0,
) -> Value:
    """What grappler makes of a convolution, a bias and an activation."""
    if is_first(data_format) or filter_format != "HWIO":
        raise UnsupportedModel("_FusedConv2D other than NHWC with filters HWIO")
    windows = windows_of(x, data_format, strides, padding, dilations, explicit_paddings)
    found = convolved(b, x, weight, windows)
    return fused(b, found, args, fused_ops, leakyrelu_alpha)


@lowers("DepthwiseConv2dNative")
def depthwise_conv(
    b: TfBuilder,
    x: Value,
    weight: Value,
    *,
    strides: Ints,
    padding: str,
    data_format: str = "NHWC",
    dilations: Ints = (1, 1, 1, 1),
    explicit_paddings: Ints = (),
) -> Value:
    return _convolved_apart(b, x, weight, windows_of(x, data_format, strides, padding, dilations, explicit_paddings))


@lowers("BiasAdd")
def bias_add(b: TfBuilder, x: Value, bias: Value, *, data_format: str = "NHWC") -> Value:
    """Along the last axis, or the second one."""
    if data_format in ("NHWC", "NDHWC") or x.rank < 3:
        return b.add(x, bias)
    return b.add(x, b.reshape(bias, shape=(bias.shape[0], *[1] * (x.rank - 2))))


@lowers("BiasAddV1")
def bias_add_v1(b: TfBuilder, x: Value, bias: Value) -> Value:
    return b.add(x, bias)


@lowers("Dilation2D")
def dilation_2d(b: TfBuilder, x: Value, weight: Value, *, strides: Ints, rates: Ints, padding: str) -> Value:
    """The greatest sum of element and filter in each window [H, W, C]."""
    height, width, _ = static(weight.shape, "weight")
    steps, holes = (spatial(v, "NHWC", 4, n) for v, n in ((strides, "strides"), (rates, "rates")))
    pads = Windows(steps, holes, padding, "NHWC").pads(x.shape[1:3], (height, width))
    padded = b.pad(x, -math.inf, pads=((0, 0), *pads, (0, 0)))
    counts = [
        (size - (k - 1) * hole - 1) // step + 1
        for size, k, hole, step in zip(padded.shape[1:3], (height, width), holes, steps, strict=True)
    ]
    found = None
    for i in range(height):
        for j in range(width):
            starts = (i * holes[0], j * holes[1])
            stops = tuple(a + (n - 1) * s + 1 for a, n, s in zip(starts, counts, steps, strict=True))
            part = b.slice(padded, axes=(1, 2), starts=starts, stops=stops, steps=steps)
            tap = b.slice(weight, axes=(0, 1), starts=(i, j), stops=(i + 1, j + 1), steps=(1, 1))
            term = b.add(part, b.reshape(tap, shape=(weight.shape[2],)))
            found = term if found is None else b.maximum(found, term)
    if found is None:
        raise MalformedModel("Dilation2D with an empty filter")
    return found


def convolved(b: TfBuilder, x: Value, weight: Value, windows: Windows) -> Value:
    """weight is [*kernel, C / groups, M]."""
    if weight.rank != x.rank:
        raise MalformedModel(f"{weight} is no filter for {x}")
    planes, pads = windows.over(b, x, static(weight.shape[:-2], "weight"))
    filters = b.transpose(weight, perm=(x.rank - 1, x.rank - 2, *range(x.rank - 2)))
    groups = _groups(planes, filters)
    found = b.conv(planes, filters, strides=windows.strides, pads=pads, dilations=windows.dilations, groups=groups)
    made = from_first(b, found, windows.data_format)
    if (known := _dilated(b, x, windows)) is not None:
        whole = convolved(b, known.value, weight, _with_holes(windows, known))
        b.walk.wholes[made] = Whole(whole, known.blocks)
    return made


def _convolved_apart(b: TfBuilder, x: Value, weight: Value, windows: Windows) -> Value:
    """weight is [H, W, C, M]: M filters for each of C channels."""
    height, width, groups, each = static(weight.shape, "weight")
    filters = b.reshape(b.transpose(weight, perm=(2, 3, 0, 1)), shape=(groups * each, 1, height, width))
    planes, pads = windows.over(b, x, (height, width))
    found = b.conv(planes, filters, strides=windows.strides, pads=pads, dilations=windows.dilations, groups=groups)
    made = from_first(b, found, windows.data_format)
    if (known := _dilated(b, x, windows)) is not None:
        whole = _convolved_apart(b, known.value, weight, _with_holes(windows, known))
        b.walk.wholes[made] = Whole(whole, known.blocks)
    return made


def _groups(planes: Value, filters: Value) -> int:
    have, each = planes.shape[1], filters.shape[1]
    if isinstance(have, int) and isinstance(each, int) and each and have % each == 0:
        return have // each
    return 1


def _dilated(b: TfBuilder, x: Value, windows: Windows) -> Whole | None:
    """What x comes from, if x is in blocks and the convolution of the blocks is a dilated one of the whole."""
    plain = windows.padding == "VALID" and not is_first(windows.data_format)
    dense = set(windows.strides) == set(windows.dilations) == {1}
    return b.walk.wholes.get(x) if plain and dense else None


def _with_holes(windows: Windows, whole: Whole) -> Windows:
    """The windows over the whole: what the blocks' sizes are becomes dilations."""
    rank = whole.value.rank
    holes = tuple(whole.blocks.get(axis, 1) for axis in range(rank))
    return replace(windows, dilations=spatial(holes, windows.data_format, rank, "dilations"))
