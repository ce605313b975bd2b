"""Convolution of bf16 images with the channels innermost by the processor's tile unit, by constant filters.

    for each task (an image, a share of its rows, a share of the panels of 32 output channels):
        configure the unit
        for each block of rows whose input stays in the second-level cache:
            copy the input, padded, in the phases of the strides
            for each panel: for each block of 32 positions:
                4 sums = 0
                for kh, kw, and ci in steps of 32: load two tiles of pixels and two of the panel, 4 dots
                result = finish(sums + bias)                (where the position is a result)

Sixteen positions of `phases` by 32 channels are a tile. Where channels are few, the taps of a row are joined to more of
them. With one window a pixel, and channels that fill tiles, it is a matrix product over all pixels of all images,
without a copy.

Which images gain: a dot makes 8192 products in 16 cycles, 512 a cycle; by pairs it is 32 a cycle, or 64 where two
vectors are multiplied at once. Copies and sums that go through memory are paid besides. So tiles are used where a
quarter of what they multiply is wanted; the rest is rows of too few pixels, and channels filled up to 32 and 16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from isthmus.backends.base import Refused
from isthmus.backends.tvm.carriers import carrier
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
from isthmus.backends.tvm.schedules import packing
from isthmus.backends.tvm.schedules.indexing import Size, unravel, view
from isthmus.backends.tvm.schedules.joined_taps import JoinedTaps, joined
from isthmus.backends.tvm.schedules.phases import Phases
from isthmus.backends.tvm.schedules.tile_gemm import TileGemm
from isthmus.backends.tvm.schedules.tile_sums import BLOCK, DOT_CYCLES, TileSums
from isthmus.backends.tvm.schedules.tile_unit import FEATURES, SIDE, TileUnit
from isthmus.backends.tvm.schedules.tiles import Split, splits
from isthmus.backends.tvm.schedules.windows import Windows, constant_filters, windows_of
from isthmus.backends.tvm.schedules.write import Finish, ceil, edged, function, lowest, scratch, store, tasks
from isthmus.ir.types import Array
from tvm.tirx.script import builder as tir

PutPixel = Callable[[Expr, Expr, Expr, Expr, Expr], None]
"""Finishes and stores a scalar: image, row, column, channel, value. Called in a vectorized loop."""

_WANTED = 0.25
"""The least share of the products in tiles that must belong to the result."""

_COPY_CYCLES = 2
"""To copy a vector of 32 channels."""


def tile_conv(group: Group, machine: Machine, unit: TileUnit | None = None) -> Offer:
    """conv of bf16 without groups over [N, C, H, W] or [N, C, W] with known sizes but N, if channels fill tiles."""
    x, weight, *rest = group.anchor.inputs
    attrs = group.anchor.attrs
    if not machine.features >= FEATURES:
        return Refused("the processor has no tile unit")
    if x.dtype.name != "bf16":
        return Refused(f"tiles of {x.dtype.name}")
    if (refused := constant_filters(group)) is not None:
        return refused
    if attrs["groups"] != 1:
        return Refused(f"tiles of {attrs['groups']} groups of channels")
    w = windows_of(x.type, group.result.type, weight.shape[2:], attrs)  # type: ignore[arg-type]
    if w is None:
        return Refused(f"an image of {x.type}: one or two known spatial sizes are needed")
    outputs, images, rank = weight.shape[0], x.shape[0], x.rank
    assert isinstance(outputs, int)
    direct = TileConv(w, outputs, machine, unit or TileUnit())
    if (share := direct.wanted(images if isinstance(images, int) else 1)) < _WANTED:
        return Refused(f"tiles of which {share:.0%} would be used")

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        n = sizes(images)
        pixels = [n, *(sizes(d) for d in group.result.shape[2:])]

        def body(operands: Sequence[Buffer], result: Buffer, finish: Finish) -> None:
            image, filters, *biases = operands
            bias = biases[0] if biases else None
            packed = view(filters, (direct.panels * direct.inner // 2 * BLOCK,))

            def put(i: Expr, row: Expr, column: Expr, channel: Expr, value: Expr) -> None:
                at = [i, row, column, channel] if rank == 4 else [i, column, channel]
                store(result, finish(value, logical(at, channels_last(rank))), at)

            def put_row(row: Expr, column: Expr, value: Expr) -> None:
                i, down, right = unravel(row, [n, *w.result])
                put(i, down, right, column, value)

            if direct.is_product:
                gemm = TileGemm(n * (w.result[0] * w.result[1]), w.channels, outputs, machine, direct.unit)
                gemm.write(view(image, (gemm.rows * w.channels,)), packed, bias, put_row)
                return
            direct.write(n, view(image, (n, w.size[0], w.size[1] * w.channels)), packed, bias, put)

        shapes = [("x", [n, *(sizes(d) for d in x.shape[2:]), w.channels], carrier(x.dtype))]
        shapes.append(("filters", [direct.panels, direct.inner // 2, BLOCK], "int32"))
        if rest:
            shapes.append(("bias", [direct.panels * BLOCK], "float32"))
        return function(shapes, [*pixels, outputs], body, tail, sizes)

    constants = [Packed(direct.filters)]
    if rest:
        constants.append(Packed(partial(packing.padded, width=BLOCK)))
    return Kernel(
        key=("tile_conv", x.type, w, outputs, bool(rest), machine),
        function=write,
        operands=(Stored(channels_last(rank)), *constants),
        result=channels_last(rank),
        title=f"conv {w.kernel[0]}x{w.kernel[1]} tiles {BLOCK}x{BLOCK}",
    )


@dataclass(frozen=True)
class TileConv:
    """Windows times filters on a machine with a tile unit."""

    w: Windows
    outputs: int
    machine: Machine
    unit: TileUnit

    @property
    def is_product(self) -> bool:
        """Whether pixels as they lie are the rows of a matrix product."""
        w = self.w
        return w.kernel == w.strides == (1, 1) and not w.padded and w.channels == self.depth

    @property
    def is_joined(self) -> bool:
        """Whether fewer steps are needed where the taps of a row count as channels."""
        taps, channels = self.w.kernel[1], self.w.channels
        return self.w.dilations[1] == 1 and _blocks(taps * channels) < taps * _blocks(channels)

    @property
    def looks(self) -> Windows:
        """The windows over what is copied."""
        return joined(self.w) if self.is_joined else self.w

    @property
    def depth(self) -> int:
        """Channels of a copied pixel with those that fill the last tile."""
        return _blocks(self.looks.channels) * BLOCK

    @property
    def inner(self) -> int:
        """Products in a sum."""
        return self.looks.kernel[0] * self.looks.kernel[1] * self.depth

    @property
    def panels(self) -> int:
        """How many panels the packed filters have."""
        return _blocks(self.outputs)

    def filters(self, weight: Array) -> Array:
        """[M, C, *kernel] as [panels of M, inner / 2, 32] in pairs."""
        squared = weight[:, :, None] if weight.ndim == 3 else weight
        if self.is_joined:
            outputs, channels, down, across = squared.shape
            squared = squared.transpose(0, 3, 1, 2).reshape(outputs, across * channels, down, 1)
        deep = np.pad(squared, ((0, 0), (0, self.depth - squared.shape[1]), (0, 0), (0, 0)))
        packed = packing.filters(deep, 1, BLOCK)[0]
        return packing.pairs(packed.reshape(len(packed), -1, BLOCK))

    def wanted(self, images: int) -> float:
        """The share of the products in tiles that belong to the result."""
        height, width = self.w.result
        pixels, columns = images * height * width, -(-self.outputs // SIDE) * SIDE
        along = self._phases(height).positions(height)
        rows = (_blocks(pixels) if self.is_product else images * _blocks(along)) * BLOCK
        each = self.w.kernel[0] * self.w.kernel[1] * self.w.channels
        return pixels * each * self.outputs / (rows * self.inner * columns)

    def write(self, n: Size, image: Buffer, right: Buffer, bias: Buffer | None, put: PutPixel) -> None:
        """The whole convolution. image [N, H, W * C]; right [panels * inner / 2 * 32] in pairs; bias [panels * 32]."""
        (height, width), split = self.w.result, self.split(n if isinstance(n, int) else 1)
        down, across = -(-height // split.rows), -(-self.panels // split.columns)
        phases = self._phases(min(down, self._tall()))
        with tasks(n * (split.rows * split.columns), self.machine.threads) as task:
            i, share = task // (split.rows * split.columns), task % (split.rows * split.columns)
            first, first_panel = share // split.columns * down, share % split.columns * across
            last, last_panel = lowest(first + down, height), lowest(first_panel + across, self.panels)
            memory = scratch((BLOCK * BLOCK,))
            copy = scratch((phases.elements(_blocks(phases.positions(phases.tall)) * BLOCK),), "uint16")
            self.unit.configure()
            with tir.serial(0, ceil(last - first, phases.tall)) as b:
                top = tir.bind(first + b * phases.tall)
                count = tir.bind(lowest(phases.tall, last - top))
                positions = tir.bind(phases.positions(count))
                phases.fill(image, i, top, count, copy)
                with tir.serial(first_panel, last_panel) as panel, tir.serial(0, ceil(positions, BLOCK)) as block:
                    start = tir.bind(block * BLOCK)

                    def columns_of(wanted: int) -> None:
                        sums = TileSums(self.unit, memory, wanted)
                        self._dots(sums, phases, copy, start, right, panel)
                        with tir.serial(0, lowest(BLOCK, positions - start)) as row:
                            position = tir.bind(start + row)
                            column = tir.bind(position % phases.pitch)
                            with tir.If(column < width), tir.Then():
                                pixel = partial(put, i, top + position // phases.pitch, column)
                                sums.put(row, panel * BLOCK, bias, pixel, self.machine.lanes)

                    edged(panel, self.outputs, BLOCK, columns_of)
            self.unit.release()

    def split(self, images: int) -> Split:
        """How rows and panels are shared out: by the cycles of the task with the most, copies and dots.

        Tasks that share out panels copy the same rows, those that share out rows read the same filters.
        """
        height, threads = self.w.result[0], self.machine.threads

        def cycles(split: Split) -> int:
            phases = self._phases(-(-height // split.rows))
            blocks = _blocks(phases.positions(phases.tall)) * -(-self.panels // split.columns)
            copied = phases.pixels * self.depth // BLOCK * _COPY_CYCLES
            return blocks * (self.inner // BLOCK) * 4 * DOT_CYCLES + copied

        return min(splits(threads) if images % threads else [Split(1, 1)], key=cycles)

    def _tall(self) -> int:
        """Rows of the result whose copy fills half of the second-level cache."""
        one = self._phases(1)
        row = one.pixels // one.rows * self.depth * 2
        return max(1, self.machine.caches[1] // 2 // row - (one.rows - 1))

    def _phases(self, tall: int) -> Phases:
        if self.is_joined:
            return JoinedTaps(self.looks, self.depth, tall, self.w)
        return Phases(self.w, self.depth, tall)

    def _dots(self, sums: TileSums, phases: Phases, copy: Buffer, start: Expr, right: Buffer, panel: Expr) -> None:
        """The sums of 32 positions from `start` on."""
        (down, across), deep = self.looks.kernel, self.depth // BLOCK
        sums.start()
        with tir.serial(0, down) as kh, tir.serial(0, across) as kw:
            corner = tir.bind((start + phases.tap(kh, kw)) * self.depth)
            first = tir.bind((panel * (down * across) + kh * across + kw) * (deep * SIDE * BLOCK))
            with tir.serial(0, deep) as k:
                sums.step(copy, corner + k * BLOCK, self.depth, right, first + k * (SIDE * BLOCK))
        sums.stop()


def _blocks(size: int) -> int:
    """Blocks of 32 rows, columns or steps of k that hold so many."""
    return -(-size // BLOCK)
