"""Transposed convolutions: TensorFlow writes them as the gradients of convolutions, with the result's size given."""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.compiler.importers.tensorflow.layout import from_first, is_first, to_first
from isthmus.compiler.importers.tensorflow.windows import Ints, Windows, static, windows_of
from isthmus.ir.dim import Dim
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value


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
    windows = windows_of(x, data_format, strides, padding, dilations, explicit_paddings)
    return _spread(b, sizes, weight, x, windows)


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
    return _spread(b, sizes, weight, x, windows_of(x, data_format, strides, padding, dilations))


def _spread(b: TfBuilder, sizes: Value, weight: Value, x: Value, windows: Windows) -> Value:
    """weight is [*kernel, M, C]; `sizes` is the result's shape, or only its spatial sizes."""
    kernel = static(weight.shape[:-2], "weight")
    planes = to_first(b, x, windows.data_format)
    known = b.sizes(sizes)
    if known is None:
        raise UnsupportedModel("the result's size must depend on nothing but input shapes")
    if len(known) == x.rank:
        known = known[2:] if is_first(windows.data_format) else known[1:-1]
    steps, holes, asked = windows.strides, windows.dilations, windows.pads(known, kernel)
    pads, extra = [], []
    for (low, _), size, out, k, s, d in zip(asked, planes.shape[2:], known, kernel, steps, holes, strict=True):
        surplus = (size - 1) * s + (k - 1) * d + 1 - out
        if not isinstance(surplus, int) or not isinstance(low, int):
            low, surplus = _same_surplus(windows.padding, surplus)
        cut = max(surplus, 0)
        pads.append((min(low, cut), cut - min(low, cut)))
        extra.append(max(-surplus, 0))
    filters = b.transpose(weight, perm=(x.rank - 1, x.rank - 2, *range(x.rank - 2)))
    found = b.conv_transpose(
        planes, filters, strides=steps, pads=tuple(pads), dilations=holes, output_padding=tuple(extra)
    )
    return from_first(b, found, windows.data_format)


def _same_surplus(padding: str, surplus: Dim) -> tuple[int, int]:
    """SAME of a symbolic size: the result is the operand times the stride."""
    if isinstance(surplus, int) and padding == "SAME":
        return max(surplus, 0) // 2, surplus
    raise UnsupportedModel(
        f"a transposed convolution whose result is not a multiple of its operand: {surplus}",
        hint="give fixed sizes with inputs=",
    )
