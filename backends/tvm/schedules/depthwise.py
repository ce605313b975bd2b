"""Depthwise convolution of images with the channels innermost: a vector of channels at a time, no copies.

    for each task (a share of the result's rows, over all images):
        for each tile of neighbouring pixels in a row:
            for each vector of channels:
                accumulators = bias                             one vector for each pixel of the tile
                for kh that stay inside the image:
                    for kw that stay inside: accumulators += input * filters[kh, kw, channels]
                result = finish(accumulators)

Rows outside the image are left out by the bounds of kh, columns by writing the first and the last tile of a row with
only the products they have. Each input vector is loaded once for all windows of the tile that look at it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from isthmus.backends.base import Refused
from isthmus.backends.tvm.carriers import carrier, computed
from isthmus.backends.tvm.kernels import (
    Buffer,
    Expr,
    Group,
    Kernel,
    Machine,
    Offer,
    Packed,
    PrimFunc,
    Sizes,
    Stored,
    Tail,
)
from isthmus.backends.tvm.orders import channels_last
from isthmus.backends.tvm.schedules.indexing import Size, view
from isthmus.backends.tvm.schedules.windows import Windows, constant_filters, taps_inside, windows_of
from isthmus.backends.tvm.schedules.write import (
    Finish,
    each_lane,
    fma,
    function,
    load,
    registers,
    splat,
    store,
    tasks,
    widened,
)
from isthmus.ir.types import Array, DType
from tvm.tirx.script import builder as tir

Put = Callable[[Expr, Expr, Expr, Expr, Expr], None]
"""Finishes and stores a scalar: image, row, column, channel, value. Called in a vectorized loop."""


def depthwise(group: Group, machine: Machine) -> Offer:
    """conv with one input and one output channel a group, constant filters and bias."""
    x, weight, *rest = group.anchor.inputs
    attrs = group.anchor.attrs
    if computed(x.dtype) != "float32":
        return Refused(f"convolution of {x.dtype.name}")
    if (refused := constant_filters(group)) is not None:
        return refused
    w = windows_of(x.type, group.result.type, weight.shape[2:], attrs)  # type: ignore[arg-type]
    if w is None or weight.shape[:2] != (attrs["groups"], 1):
        return Refused("not one channel a group, or an image of unknown size")
    rank, images = x.rank, x.shape[0]
    kernel = Depthwise(w, machine, x.dtype)

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        n = sizes(images)

        def body(operands: Sequence[Buffer], result: Buffer, finish: Finish) -> None:
            image, filters, *bias = operands
            squared = view(result, (n, *w.result, w.channels))

            def put(i: Expr, row: Expr, column: Expr, channel: Expr, value: Expr) -> None:
                at = [i, channel, row, column] if rank == 4 else [i, channel, column]
                store(squared, finish(value, at), [i, row, column, channel])

            kernel.write(n, view(image, (n, *w.size, w.channels)), filters, bias[0] if bias else None, put)

        shapes = [("x", [n, *(sizes(d) for d in x.shape[2:]), w.channels], carrier(x.dtype))]
        shapes.append(("filters", [*w.kernel, w.channels], "float32"))
        if rest:
            shapes.append(("bias", [w.channels], "float32"))
        return function(shapes, [n, *(sizes(d) for d in group.result.shape[2:]), w.channels], body, tail, sizes)

    def taps_first(weight: Array) -> Array:
        return np.ascontiguousarray(weight.reshape(w.channels, *w.kernel).transpose(1, 2, 0), np.float32)

    packed = [Packed(taps_first)]
    if rest:
        packed.append(Packed(lambda bias: np.ascontiguousarray(bias, np.float32)))
    return Kernel(
        key=("depthwise", x.type, w, bool(rest), machine),
        function=write,
        operands=(Stored(channels_last(rank)), *packed),
        result=channels_last(rank),
        title=f"depthwise{w.kernel[0]}x{w.kernel[1]} {kernel.length}x{machine.lanes}",
    )


@dataclass(frozen=True)
class Operands:
    """image [N, H, W, C], filters [KH, KW, C] and bias [C]."""

    image: Buffer
    filters: Buffer
    bias: Buffer | None


@dataclass(frozen=True)
class Pixels:
    """Neighbours in a row of a result."""

    image: Expr
    row: Expr
    left: Expr | int
    length: int
    exist: range | None = None
    """Columns of the image, counted from the first one that they look at; None where all that they look at exist."""


@dataclass(frozen=True)
class Depthwise:
    """Windows over single channels on a machine."""

    w: Windows
    machine: Machine
    dtype: DType

    @property
    def length(self) -> int:
        """Pixels of a tile: about half of the registers, the row shared out evenly."""
        most = self.machine.registers // 2 - 2
        count = -(-self.w.result[1] // most)
        return -(-self.w.result[1] // count)

    def write(self, n: Size, image: Buffer, filters: Buffer, bias: Buffer | None, put: Put) -> None:
        """The whole convolution; image [N, H, W, C], filters [KH, KW, C] and bias [C] in f32."""
        height, width = self.w.result
        operands = Operands(image, filters, bias)
        with tasks(n * height, self.machine.threads) as line:
            i, row = tir.bind(line // height), tir.bind(line % height)
            whole = [c for c in range(0, width, self.length) if self._inside(c) and c + self.length <= width]
            for left in (c for c in range(0, width, self.length) if c not in whole):
                self._tile(Pixels(i, row, left, min(self.length, width - left), self._columns(left)), operands, put)
            if whole:
                with tir.serial(0, len(whole)) as t:
                    self._tile(Pixels(i, row, whole[0] + t * self.length, self.length), operands, put)

    def _inside(self, left: int) -> bool:
        """Whether a whole tile looks only at columns of the image."""
        first = left * self.w.strides[1] - self.w.before[1]
        return first >= 0 and first + self.w.reach(1, self.length) <= self.w.size[1]

    def _columns(self, left: int) -> range:
        """Columns of the image, counted from the first one that the tile looks at."""
        first = left * self.w.strides[1] - self.w.before[1]
        return range(-first, self.w.size[1] - first)

    def _tile(self, pixels: Pixels, operands: Operands, put: Put) -> None:
        """All channels of some pixels."""
        lanes = self.machine.lanes
        whole, rest = divmod(self.w.channels, lanes)
        if whole:
            with tir.serial(0, whole) as c:
                self._vector(pixels, operands, put, c * lanes, lanes)
        if rest:
            self._vector(pixels, operands, put, whole * lanes, rest)

    def _vector(self, pixels: Pixels, operands: Operands, put: Put, channel: Expr | int, lanes: int) -> None:
        """`lanes` channels of them, from `channel` on."""
        w, bias = self.w, operands.bias
        sums = [registers(lanes) for _ in range(pixels.length)]
        first = splat(0.0, lanes) if bias is None else tir.bind(load(bias, [channel], lanes))
        for each in sums:
            store(each, first, [0], lanes)
        top = tir.bind(pixels.row * w.strides[0] - w.before[0])
        begin, end = taps_inside(top, w.size[0], w.kernel[0], w.dilations[0])
        with tir.serial(begin, end) as kh:
            taps = [tir.bind(load(operands.filters, [kh, kw, channel], lanes)) for kw in range(w.kernel[1])]
            seen: dict[int, Expr] = {}
            for p, each in enumerate(sums):
                for kw, tap in enumerate(taps):
                    at = p * w.strides[1] + kw * w.dilations[1]
                    if pixels.exist is not None and at not in pixels.exist:
                        continue
                    if at not in seen:
                        column = pixels.left * w.strides[1] - w.before[1] + at
                        where = [pixels.image, top + kh * w.dilations[0], column, channel]
                        seen[at] = tir.bind(widened(load(operands.image, where, lanes), self.dtype))
                    store(each, fma(seen[at], tap, load(each, [0], lanes)), [0], lanes)
        for p, each in enumerate(sums):
            with each_lane(lanes) as lane:
                put(pixels.image, pixels.row, pixels.left + p, channel + lane, each[lane])
