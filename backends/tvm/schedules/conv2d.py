"""Direct convolution of images with the channels innermost, by constant filters packed at compile time.

    for each task (an image, a share of its rows, a share of the panels of output channels):
        for each block of rows that stays in the second-level cache:
            copy the input rows it needs into a padded scratch          (unless nothing is padded)
            for each panel: for each tile of neighbouring pixels:
                accumulators = bias
                for kh, kw, ci: accumulators += input[pixel * stride + (kh, kw), ci] * panel[kh, kw, ci, :]
                result = finish(accumulators)

A tile is a run of pixels in one row, or whole rows where they are short. With one window a pixel it is a matrix product
over all pixels of all images. Early layers have many rows to share out, late ones many channels: the cost model of
`tiles` decides. Groups with few channels are merged into wider ones, with zeros in between, where that is cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

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
from isthmus.backends.tvm.orders import channels_last, logical
from isthmus.backends.tvm.schedules.accumulators import Accumulators
from isthmus.backends.tvm.schedules.arithmetic import Arithmetic, arithmetic
from isthmus.backends.tvm.schedules.gemm import Gemm
from isthmus.backends.tvm.schedules.grouping import Channels, grouped
from isthmus.backends.tvm.schedules.indexing import Size, product, unravel, view
from isthmus.backends.tvm.schedules.tiles import Tile
from isthmus.backends.tvm.schedules.windows import Windows, constant_filters, copy_rows, windows_of
from isthmus.backends.tvm.schedules.write import (
    Finish,
    edged,
    function,
    load,
    lowest,
    prefetch,
    scratch,
    store,
    tasks,
)
from isthmus.ir.types import F32, DType
from tvm.tirx.script import builder as tir

Put = Callable[[Expr, Expr, Expr, Expr], None]
"""Finishes and stores a scalar of an image's result: row, column, channel, value. Called in a vectorized loop."""

PutPixel = Callable[[Expr, Expr, Expr, Expr, Expr], None]
"""`Put` with the image before the rest."""

_AHEAD = 16
"""Steps of k that the panel is asked for in advance."""


def conv(group: Group, machine: Machine) -> Offer:
    """conv over [N, C, H, W] or [N, C, W] with constant filters and bias, any strides, pads, dilations and groups."""
    x, weight, *rest = group.anchor.inputs
    attrs = group.anchor.attrs
    if computed(x.dtype) != "float32":
        return Refused(f"convolution of {x.dtype.name}")
    if (refused := constant_filters(group)) is not None:
        return refused
    w = windows_of(x.type, group.result.type, weight.shape[2:], attrs)  # type: ignore[arg-type]
    if w is None:
        return Refused(f"an image of {x.type}: one or two known spatial sizes are needed")
    outputs, inputs = weight.shape[:2]
    assert isinstance(outputs, int)
    assert isinstance(inputs, int)
    images = x.shape[0]
    how = arithmetic(x.dtype, inputs, machine)
    known = images if isinstance(images, int) else 1
    shape = grouped(machine, w, known, attrs["groups"], inputs, outputs, how.depth)
    direct = Conv(w, shape, machine, x.dtype, how)
    rank = x.rank
    dtype = carrier(x.dtype)

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        n = sizes(images)
        pixels = [n, *(sizes(d) for d in group.result.shape[2:])]

        def body(operands: Sequence[Buffer], result: Buffer, finish: Finish) -> None:
            image, packed, *bias = operands
            if shape.is_product(w):
                flat = view(result, (product(pixels), outputs))
                gemm = Gemm(product(pixels), direct.inner, outputs, shape.plan, machine, how, w.strides != (1, 1))
                source = view(image, (n, *w.size, w.channels) if gemm.gathered else (gemm.rows, w.channels))

                def read(row: Expr, k: Expr, lanes: int) -> Expr:
                    at = [row]
                    if gemm.gathered:
                        i, down, right = unravel(row, (n, *w.result))
                        at = [i, down * w.strides[0], right * w.strides[1]]
                    return how.lanes_of(load(source, [*at, k * how.depth], lanes * how.depth), x.dtype)

                def put(row: Expr, column: Expr, value: Expr) -> None:
                    at = logical([*unravel(row, pixels), column], channels_last(rank))
                    store(flat, finish(value, at), [row, column])

                with how.declared():
                    gemm.write(read, packed, bias[0] if bias else None, put)
                return
            squared = view(result, (n, *w.result, outputs))

            def put_pixel(i: Expr, row: Expr, column: Expr, channel: Expr, value: Expr) -> None:
                at = [i, channel, row, column] if rank == 4 else [i, channel, column]
                store(squared, finish(value, at), [i, row, column, channel])

            with how.declared():
                direct.write(n, image, packed, bias[0] if bias else None, put_pixel)

        shapes = [("x", [n, *(sizes(d) for d in x.shape[2:]), w.channels], dtype)]
        shapes.append(("filters", [shape.groups * direct.panels, direct.inner, direct.width], how.operand))
        if rest:
            shapes.append(("bias", [shape.groups * direct.panels * direct.width], "float32"))
        return function(shapes, [*pixels, outputs], body, tail, sizes)

    packed = [Packed(partial(shape.filters, width=direct.width, how=how))]
    if rest:
        packed.append(Packed(partial(shape.bias, width=direct.width)))
    return Kernel(
        key=("conv", x.type, w, outputs, attrs["groups"], bool(rest), machine),
        function=write,
        operands=(Stored(channels_last(rank)), *packed),
        result=channels_last(rank),
        title=f"conv{how.label} {w.kernel[0]}x{w.kernel[1]} {shape.plan.tile.rows}x{direct.width}",
        attributes={"cycles": shape.plan.cost * shape.groups, "merged": shape.times},
    )


@dataclass(frozen=True)
class Source:
    """Flat memory that windows are read from: a padded copy of some rows, or the images themselves."""

    buffer: Buffer
    row: int
    """Elements of a row."""
    first: Expr
    """Which row of the padded image stands at the beginning."""
    dtype: DType


@dataclass(frozen=True)
class Panel:
    """Neighbouring output channels, as many as a tile has columns."""

    number: Expr
    columns: int
    """How many of them there are."""
    packed: Buffer
    bias: Buffer | None


@dataclass(frozen=True)
class Conv:
    """Windows times filters on a machine."""

    w: Windows
    channels: Channels
    machine: Machine
    dtype: DType
    how: Arithmetic

    @property
    def width(self) -> int:
        """Output channels of a panel."""
        return self.channels.plan.tile.vectors * self.machine.lanes

    @property
    def panels(self) -> int:
        """Panels of one group."""
        return -(-self.channels.outputs // self.width)

    @property
    def inner(self) -> int:
        """Steps in which an output is summed up."""
        return self.w.kernel[0] * self.w.kernel[1] * self.channels.inputs // self.how.depth

    def write(self, n: Size, image: Buffer, packed: Buffer, bias: Buffer | None, put: PutPixel) -> None:
        """The whole convolution. image [N, H, W, C]; packed [groups * panels, inner, width], bias alike."""
        w, split = self.w, self.channels.plan.split
        tall = max(1, self.channels.plan.tile.rows // w.result[1])
        bands = -(-w.result[0] // tall)
        down, across = -(-bands // split.rows), -(-self.channels.groups * self.panels // split.columns)
        block = min(down, self._block(tall))
        rows = view(image, (n, w.size[0], w.size[1] * w.channels))
        flat = view(image, (n * (w.size[0] * w.size[1] * w.channels),))
        with tasks(n * (split.rows * split.columns), self.machine.threads) as task:
            i, share = task // (split.rows * split.columns), task % (split.rows * split.columns)
            first, first_panel = share // split.columns * down, share % split.columns * across
            last = lowest(first + down, bands)
            last_panel = lowest(first_panel + across, self.channels.groups * self.panels)
            wide = self.how.depth == 1
            dtype = "float32" if wide else carrier(self.dtype)
            copy = scratch((w.reach(0, block * tall) * w.needed * w.channels,), dtype) if w.padded else None
            with tir.serial(0, -(-down // block)) as b:
                begin = tir.bind(first + b * block)
                end = tir.bind(lowest(begin + block, last))
                top = tir.bind(begin * (tall * w.strides[0]))
                source = Source(flat, w.size[1] * w.channels, -i * w.size[0], self.dtype)
                if copy is not None:
                    stop = lowest(end * tall, w.result[0])
                    count = tir.max((stop - begin * tall - 1) * w.strides[0] + w.reach(0, 1), 0)
                    copy_rows(rows, i, top, copy, count, w, self.dtype if wide else None, self.machine.lanes)
                    source = Source(copy, w.needed * w.channels, top, F32 if wide else self.dtype)
                with tir.serial(first_panel, last_panel) as panel, tir.serial(begin, end) as band:
                    edged(
                        panel % self.panels,
                        self.channels.outputs,
                        self.width,
                        lambda columns: edged(
                            band,
                            w.result[0],
                            tall,
                            lambda height: self._band(
                                height, band * tall, Panel(panel, columns, packed, bias), source, partial(put, i)
                            ),
                        ),
                    )

    def _block(self, tall: int) -> int:
        """Bands whose input rows fill half of the second-level cache."""
        row = self.w.needed * self.w.channels * 4
        rows = max(self.machine.caches[1] // 2 // row - self.w.reach(0, 1), 0) // self.w.strides[0]
        return max(1, rows // tall)

    def _band(self, height: int, top: Expr, panel: Panel, source: Source, put: Put) -> None:
        """The tiles of one panel along `height` rows of the result."""
        wide = min(self.channels.plan.tile.rows, self.w.result[1])
        with tir.serial(0, -(-self.w.result[1] // wide)) as c:
            edged(
                c,
                self.w.result[1],
                wide,
                lambda length: self._tile((height, length), (top, c * wide), panel, source, put),
            )

    def _tile(self, pixels: tuple[int, int], corner: tuple[Expr, Expr], panel: Panel, source: Source, put: Put) -> None:
        """The output channels of a panel of a rectangle of pixels."""
        w, lanes = self.w, self.machine.lanes
        (height, length), (top, left) = pixels, corner
        sums = Accumulators(Tile(height * length, -(-panel.columns // lanes)), lanes, self.how)
        bias = panel.bias
        sums.start(None if bias is None else lambda v: load(bias, [panel.number * self.width + v * lanes], lanes))
        group = panel.number // self.panels * self.channels.inputs
        joined = w.dilations[1] == 1 and self.channels.groups == 1
        run = self.channels.inputs * (w.kernel[1] if joined else 1) // self.how.depth
        down, right = w.strides[0] * source.row, w.strides[1] * w.channels
        # What all pixels share is computed once: LLVM then adds the rest within the loads.
        begin = tir.bind(top * down - source.first * source.row + left * right + group)
        with (
            tir.serial(0, w.kernel[0]) as kh,
            tir.serial(0, 1 if joined else w.kernel[1]) as kw,
            tir.serial(0, run) as q,
        ):
            k = tir.bind((kh * (1 if joined else w.kernel[1]) + kw) * run + q)
            for v in range(sums.tile.vectors):
                prefetch(panel.packed, [panel.number, k + _AHEAD, v * lanes])
            at = tir.bind(
                begin + kh * (w.dilations[0] * source.row) + kw * (w.dilations[1] * w.channels) + q * self.how.depth
            )

            def pixel(r: int) -> Expr:
                place = at + (r // length * down + r % length * right)
                return self.how.lanes_of(load(source.buffer, [place], self.how.depth), source.dtype)

            sums.step(pixel, lambda v: load(panel.packed, [panel.number, k, v * lanes], lanes))
        first = panel.number // self.panels * self.channels.outputs + panel.number % self.panels * self.width
        sums.put(
            panel.columns, lambda r, column, value: put(top + r // length, left + r % length, first + column, value)
        )
