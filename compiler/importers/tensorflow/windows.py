"""Windows of convolutions and poolings, and their padding. SAME depends on sizes, which may be symbolic."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.tensorflow.layout import is_first, spatial, to_first
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


@dataclass(frozen=True)
class Windows:
    """What a convolution's or pooling's attributes say of its windows, which lie over the spatial axes."""

    strides: Ints
    dilations: Ints
    padding: str
    data_format: str
    explicit: Ints = ()
    """What stands before and after each dimension, batch and channels among them, where padding is EXPLICIT."""

    def pads(self, sizes: tuple[Dim, ...], kernel: Ints) -> DimPads:
        """What stands before and after each spatial axis of an operand with these spatial sizes."""
        if not len(sizes) == len(kernel) == len(self.strides) == len(self.dilations):
            raise MalformedModel(f"a window of {list(kernel)} over {len(sizes)} spatial axes")
        if self.padding == "VALID":
            return ((0, 0),) * len(sizes)
        if self.padding == "EXPLICIT":
            pairs = list(zip(self.explicit[::2], self.explicit[1::2], strict=True))
            first = 2 if is_first(self.data_format) else 1
            return tuple(pairs[first : first + len(sizes)])
        if self.padding != "SAME":
            raise MalformedModel(f"padding {self.padding!r}")
        found = []
        for size, k, stride, dilation in zip(sizes, kernel, self.strides, self.dilations, strict=True):
            reach = (k - 1) * dilation + 1
            total: Dim = reach - 1
            if stride != 1:
                # Rounded up this way, sizes show that they are at least 1 where `size` does.
                total = (floordiv(size + stride - 1, stride) - 1) * stride + reach - size
                total = total if reach >= stride else maximum(total, 0)  # windows that leave gaps may end early
            found.append((total // 2, total - total // 2))
        return tuple(found)

    def over(self, b: ImportBuilder, x: Value, kernel: Ints, fill: float = 0.0) -> tuple[Value, Pads]:
        """x as [N, C, *spatial], and its pads in numbers: see `with_numbers`."""
        planes = to_first(b, x, self.data_format)
        return with_numbers(b, planes, self.pads(planes.shape[2:], kernel), fill)


def windows_of(
    x: Value, data_format: str, strides: Ints, padding: str, dilations: Ints | None = None, explicit: Ints = ()
) -> Windows:
    """The windows that attributes with one item a dimension of x speak of; without dilations they have no holes."""
    steps = spatial(strides, data_format, x.rank, "strides")
    holes = (1,) * len(steps) if dilations is None else spatial(dilations, data_format, x.rank, "dilations")
    return Windows(steps, holes, padding, data_format, explicit)


def with_numbers(b: ImportBuilder, x: Value, pads: DimPads, fill: float = 0.0) -> tuple[Value, Pads]:
    """x [N, C, *spatial] and the pads in numbers: where they are symbolic, x padded beforehand with `fill`."""
    if all(isinstance(side, int) for pair in pads for side in pair):
        return x, pads  # type: ignore[return-value]
    return b.pad(x, fill, pads=((0, 0), (0, 0), *pads)), ((0, 0),) * len(pads)
