"""Convolutions and poolings."""

from __future__ import annotations

import math

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.atrous import Whole
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.layout import from_first, is_first, spatial, to_first
from isthmus.compiler.importers.tensorflow.linalg import fused
from isthmus.compiler.importers.tensorflow.windows import Ints, static, wanted_pads, with_numbers
from isthmus.ir.dim import Dim
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
    return _conv(b, x, weight, strides, padding, data_format, dilations, explicit_paddings)


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
    return _conv(b, x, weight, strides, padding, data_format, dilations, ())


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
    return _conv(b, x, weight, strides, padding, layout, dilations or (1,) * x.rank, explicit_paddings)


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
    found = _conv(b, x, weight, strides, padding, data_format, dilations, explicit_paddings)
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
    """weight is [H, W, C, M]: M filters for each of C channels."""
    height, width, groups, each = static(weight.shape, "weight")
    filters = b.reshape(b.transpose(weight, perm=(2, 3, 0, 1)), shape=(groups * each, 1, height, width))
    steps, holes = (spatial(v, data_format, 4, n) for v, n in ((strides, "strides"), (dilations, "dilations")))
    planes = to_first(b, x, data_format)
    asked = wanted_pads(planes.shape[2:], padding, explicit_paddings, (height, width), steps, holes, data_format)
    planes, pads = with_numbers(b, planes, asked)
    found = b.conv(planes, filters, strides=steps, pads=pads, dilations=holes, groups=groups)
    made = from_first(b, found, data_format)
    if (known := _dilated(b, x, steps, holes, padding, data_format)) is not None:
        whole = depthwise_conv(b, known.value, weight, strides=strides, padding=padding, dilations=_holes(known, 4))
        b.walk.wholes[made] = Whole(whole, known.blocks)
    return made


@lowers("Conv2DBackpropInput")
def conv_2d_transpose(
    b: TfBuilder,
    sizes: Value,
    weight: Value,
    x: Value,
    *,
    strides: Ints,
    padding: str,
    data_format: str = "NHWC",
    dilations: Ints = (1, 1, 1, 1),
    explicit_paddings: Ints = (),
) -> Value:
    return _conv_transpose(b, sizes, weight, x, strides, padding, data_format, dilations, explicit_paddings)


@lowers("Conv3DBackpropInputV2")
def conv_3d_transpose(
    b: TfBuilder,
    sizes: Value,
    weight: Value,
    x: Value,
    *,
    strides: Ints,
    padding: str,
    data_format: str = "NDHWC",
    dilations: Ints = (1, 1, 1, 1, 1),
) -> Value:
    return _conv_transpose(b, sizes, weight, x, strides, padding, data_format, dilations, ())


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
    asked = wanted_pads(x.shape[1:3], padding, (), (height, width), steps, holes, "NHWC")
    padded = b.pad(x, -math.inf, pads=((0, 0), *asked, (0, 0)))
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


def _conv(
    b: TfBuilder,
    x: Value,
    weight: Value,
    strides: Ints,
    padding: str,
    data_format: str,
    dilations: Ints,
    explicit: Ints,
) -> Value:
    """weight is [*kernel, C / groups, M]."""
    if weight.rank != x.rank:
        raise MalformedModel(f"{weight} is no filter for {x}")
    steps, holes = (spatial(v, data_format, x.rank, n) for v, n in ((strides, "strides"), (dilations, "dilations")))
    planes = to_first(b, x, data_format)
    kernel = static(weight.shape[:-2], "weight")
    asked = wanted_pads(planes.shape[2:], padding, explicit, kernel, steps, holes, data_format)
    planes, pads = with_numbers(b, planes, asked)
    filters = b.transpose(weight, perm=(x.rank - 1, x.rank - 2, *range(x.rank - 2)))
    found = b.conv(planes, filters, strides=steps, pads=pads, dilations=holes, groups=_groups(planes, filters))
    made = from_first(b, found, data_format)
    if (known := _dilated(b, x, steps, holes, padding, data_format)) is not None:
        whole = _conv(b, known.value, weight, strides, padding, data_format, _holes(known, x.rank), ())
        b.walk.wholes[made] = Whole(whole, known.blocks)
    return made


def _dilated(b: TfBuilder, x: Value, steps: Ints, holes: Ints, padding: str, data_format: str) -> Whole | None:
    """What x comes from, if x is in blocks and the convolution of the blocks is a dilated one of the whole."""
    plain = padding == "VALID" and not is_first(data_format) and set(steps) == set(holes) == {1}
    return b.walk.wholes.get(x) if plain else None


def _holes(whole: Whole, rank: int) -> Ints:
    return tuple(whole.blocks.get(axis, 1) for axis in range(rank))


def _groups(planes: Value, filters: Value) -> int:
    have, each = planes.shape[1], filters.shape[1]
    if isinstance(have, int) and isinstance(each, int) and each and have % each == 0:
        return have // each
    return 1


def _conv_transpose(
    b: TfBuilder,
    sizes: Value,
    weight: Value,
    x: Value,
    strides: Ints,
    padding: str,
    data_format: str,
    dilations: Ints,
    explicit: Ints,
) -> Value:
    """weight is [*kernel, M, C]; `sizes` is the result's shape, or only its spatial sizes."""
    steps, holes = (spatial(v, data_format, x.rank, n) for v, n in ((strides, "strides"), (dilations, "dilations")))
    kernel = static(weight.shape[:-2], "weight")
    planes = to_first(b, x, data_format)
    known = b.sizes(sizes)
    if known is None:
        raise UnsupportedModel("the result's size must depend on nothing but input shapes")
    if len(known) == x.rank:
        known = known[2:] if is_first(data_format) else known[1:-1]
    asked = wanted_pads(known, padding, explicit, kernel, steps, holes, data_format)
    pads, extra = [], []
    for (low, _), size, out, k, s, d in zip(asked, planes.shape[2:], known, kernel, steps, holes, strict=True):
        surplus = (size - 1) * s + (k - 1) * d + 1 - out
        if not isinstance(surplus, int) or not isinstance(low, int):
            low, surplus = _same_surplus(padding, k, s, d, low, surplus)
        cut = max(surplus, 0)
        pads.append((min(low, cut), cut - min(low, cut)))
        extra.append(max(-surplus, 0))
    filters = b.transpose(weight, perm=(x.rank - 1, x.rank - 2, *range(x.rank - 2)))
    found = b.conv_transpose(
        planes, filters, strides=steps, pads=tuple(pads), dilations=holes, output_padding=tuple(extra)
    )
    return from_first(b, found, data_format)


def _same_surplus(padding: str, k: int, s: int, d: int, low: Dim, surplus: Dim) -> tuple[int, int]:
    """SAME of a symbolic size: the result is the operand times the stride."""
    if isinstance(surplus, int) and padding == "SAME":
        return max(surplus, 0) // 2, surplus
    raise UnsupportedModel(
        f"a transposed convolution whose result is not a multiple of its operand: {surplus}",
        hint="give fixed sizes with inputs=",
    )
