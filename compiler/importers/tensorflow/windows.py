"""Padding of convolutions and poolings. SAME depends on sizes, which may be symbolic."""

from __future__ import annotations

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.tensorflow.layout import is_first
from isthmus.ir.dim import Dim, floordiv, maximum
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]
DimPads = tuple[tuple[Dim, Dim], ...]


def static(sizes: tuple[Dim, ...], what: str) -> Ints:
    """Sizes that must be numbers."""
    if not all(isinstance(d, int) for d in sizes):
        raise UnsupportedModel(f"{what} has symbolic sizes", hint="give fixed sizes with inputs=")
    return sizes  # type: ignore[return-value]


def wanted_pads(
    sizes: tuple[Dim, ...],
    padding: str,
    explicit: Ints,
    kernel: Ints,
    strides: Ints,
    dilations: Ints,
    data_format: str,
) -> DimPads:
    """What stands before and after each spatial axis of an operand with these spatial sizes."""
    if not len(sizes) == len(kernel) == len(strides) == len(dilations):
        raise MalformedModel(f"a window of {list(kernel)} over {len(sizes)} spatial axes")
    if padding == "VALID":
        return ((0, 0),) * len(sizes)
    if padding == "EXPLICIT":
        pairs = list(zip(explicit[::2], explicit[1::2], strict=True))
        first = 2 if is_first(data_format) else 1
        return tuple(pairs[first : first + len(sizes)])
    if padding != "SAME":
        raise MalformedModel(f"padding {padding!r}")
    found = []
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        reach = (k - 1) * dilation + 1
        total: Dim = reach - 1
        if stride != 1:
            # Rounded up this way, sizes show that they are at least 1 where `size` does.
            total = (floordiv(size + stride - 1, stride) - 1) * stride + reach - size
            total = total if reach >= stride else maximum(total, 0)  # windows that leave gaps may end early
        found.append((total // 2, total - total // 2))
    return tuple(found)


def with_numbers(b: ImportBuilder, x: Value, pads: DimPads, fill: float = 0.0) -> tuple[Value, Pads]:
    """x [N, C, *spatial] and the pads in numbers: where they are symbolic, x padded beforehand with `fill`."""
    if all(isinstance(side, int) for pair in pads for side in pair):
        return x, pads  # type: ignore[return-value]
    return b.pad(x, fill, pads=((0, 0), (0, 0), *pads)), ((0, 0),) * len(pads)
