"""What kernels over sliding windows share: sizes of an image and its windows, and rows copied into a padded scratch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.backends.base import Refused
from isthmus.backends.tvm.kernels import Buffer, Expr, Group
from isthmus.backends.tvm.schedules.write import load, lowest, store, widened
from isthmus.ir.types import DType, TensorType
from tvm import tirx
from tvm.tirx.script import builder as tir

Pair = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """Windows over images of numbers known at compile time; a signal [N, C, W] is an image of height 1."""

    channels: int
    size: Pair
    result: Pair
    """Height and width of the result."""
    kernel: Pair
    strides: Pair
    before: Pair
    """Padding above and to the left; what there is below and to the right follows from the result's size."""
    dilations: Pair

    @property
    def needed(self) -> int:
        """Columns of a padded row that windows look at."""
        return self.reach(1, self.result[1])

    def reach(self, axis: int, count: int) -> int:
        """Rows or columns that `count` windows in a row look at."""
        return (count - 1) * self.strides[axis] + (self.kernel[axis] - 1) * self.dilations[axis] + 1

    @property
    def padded(self) -> bool:
        """Whether some window looks outside the image."""
        return any(self.before[a] > 0 or self.reach(a, self.result[a]) > self.size[a] + self.before[a] for a in (0, 1))


def windows_of(x: TensorType, result: TensorType, kernel: tuple[int, ...], attrs: Mapping[str, Any]) -> Windows | None:
    """The windows of a convolution or pooling over [N, C, H, W] or [N, C, W]; None unless all sizes but N are known."""
    sizes = (*x.shape[1:], *result.shape[2:], *kernel)
    if x.rank not in (3, 4) or not all(isinstance(d, int) for d in sizes):
        return None

    def pair(values: Any, missing: int) -> Pair:
        return tuple(values) if len(values) == 2 else (missing, *values)

    return Windows(
        channels=x.shape[1],  # type: ignore[arg-type]
        size=pair(x.shape[2:], 1),
        result=pair(result.shape[2:], 1),
        kernel=pair(kernel, 1),
        strides=pair(attrs["strides"], 1),
        before=pair([low for low, _ in attrs["pads"]], 0),
        dilations=pair(attrs["dilations"], 1),
    )


def constant_filters(group: Group) -> Refused | None:
    """Why the filters and the bias of a convolution cannot be packed, if they cannot."""
    _, *filters = group.anchor.inputs
    if any(value.constant is None for value in filters):
        return Refused("the filters or the bias are not constant")
    return None


def taps_inside(top: Expr, size: int, taps: int, dilation: int) -> tuple[Expr, Expr]:
    """The taps k from begin to end with 0 <= top + k * dilation < size."""
    begin = tir.max(0, tir.truncdiv(dilation - 1 - top, dilation))
    end = lowest(taps, tir.truncdiv(tir.max(size - top, 0) + dilation - 1, dilation))
    return begin, end


def copy_rows(
    image: Buffer, n: Expr, top: Expr, copy: Buffer, count: Expr | int, w: Windows, dtype: DType | None, lanes: int
) -> None:
    """Fill copy[:count * needed * C] with the padded image's rows from `top` on; image is [N, H, W * C].

    Elements of `dtype` become f32; without it the copy has the image's own elements.
    """

    def zeros(at: Expr | int, some: int) -> None:
        store(copy, tirx.const(0, f"{copy.ty.dtype}x{some}" if some > 1 else str(copy.ty.dtype)), [y * wide + at], some)

    def pixels(at: Expr | int, some: int) -> None:
        found = load(image, [n, row, at], some)
        store(copy, found if dtype is None else widened(found, dtype), [y * wide + left + at], some)

    wide = w.channels * w.needed
    left = w.channels * w.before[1]
    inside = min(w.channels * w.size[1], wide - left)
    with tir.serial(0, count) as y:
        row = tir.bind(top + y - w.before[0])
        with tir.If(tir.And(row >= 0, row < w.size[0])):
            with tir.Then():
                in_vectors(lanes, 0, left, zeros)
                in_vectors(lanes, 0, inside, pixels)
                in_vectors(lanes, left + inside, wide, zeros)
            with tir.Else():
                in_vectors(lanes, 0, wide, zeros)


def in_vectors(lanes: int, start: int, stop: int, write: Callable[[Expr | int, int], None]) -> None:
    """`write(position, lanes)` for whole vectors from start to stop, then for the rest at once."""
    whole, rest = divmod(stop - start, lanes)
    if whole:
        with tir.serial(0, whole) as i:
            write(start + i * lanes, lanes)
    if rest:
        write(start + whole * lanes, rest)
