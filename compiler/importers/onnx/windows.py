"""Kernel, stride and padding attributes that convolutions and poolings share."""

from __future__ import annotations

from typing import Literal

from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.ir.dim import Dim, ceildiv, maximum
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value

AutoPad = Literal["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]
Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


def ones_unless(given: Ints | None, count: int, what: str) -> Ints:
    """The attribute, or its default of ones. MalformedModel where it has the wrong length."""
    if given is not None and len(given) != count:
        raise MalformedModel(f"{what} has {len(given)} items for {count} spatial axes")
    return (1,) * count if given is None else given


def static_sizes(dims: tuple[Dim, ...], what: str) -> Ints:
    """Sizes that must be numbers."""
    if not all(isinstance(d, int) for d in dims):
        raise UnsupportedModel(f"{what} has symbolic sizes")
    return dims  # type: ignore[return-value]


def pads_from(pads: Ints | None, count: int) -> Pads:
    """ONNX lists all befores, then all afters."""
    pads = (0,) * (2 * count) if pads is None else pads
    if len(pads) != 2 * count:
        raise MalformedModel(f"pads has {len(pads)} items for {count} spatial axes")
    return tuple(zip(pads[:count], pads[count:], strict=True))


def resolve_padding(
    b: OnnxBuilder,
    x: Value,
    auto_pad: AutoPad,
    pads: Ints | None,
    kernel: Ints,
    strides: Ints,
    dilations: Ints,
    fill: float | None = 0.0,
) -> tuple[Value, Pads]:
    """The pads in numbers. Where they depend on symbolic sizes x is padded with `fill` first (None: that cannot be)."""
    count = len(kernel)
    if auto_pad == "NOTSET":
        return x, pads_from(pads, count)
    if auto_pad == "VALID":
        return x, pads_from(None, count)
    if x.rank != count + 2:
        raise MalformedModel(f"{x} does not have {count} spatial axes")
    wanted = []
    for size, k, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        reach = (k - 1) * dilation + 1
        total = reach - 1 if stride == 1 else maximum((ceildiv(size, stride) - 1) * stride + reach - size, 0)
        small, large = total // 2, total - total // 2
        wanted.append((small, large) if auto_pad == "SAME_UPPER" else (large, small))
    if all(isinstance(side, int) for pair in wanted for side in pair):
        return x, tuple(wanted)  # type: ignore[arg-type]
    if fill is None:
        raise UnsupportedModel(
            f"auto_pad {auto_pad} of symbolic sizes {list(x.shape[2:])} without counting the padding",
            hint="give fixed sizes with inputs=",
        )
    padded = b.pad(x, fill, pads=((0, 0), (0, 0), *wanted))
    return padded, pads_from(None, count)
