"""A padded copy of an image's rows in which windows of neighbouring results lie one pixel apart, whatever the strides.

The padded image is dealt out to as many small ones as its windows' strides multiply to: phase (a, b) holds rows a,
a + s, a + 2s ... and columns b, b + s, b + 2s ... From one result to the next, what a tap looks at then moves by one
pixel of the tap's phase; and as a phase's rows follow each other, all results lie on one line:

    result (y, x) is position y * pitch + x,    and tap t looks at pixel tap(t) + position.

Any run of positions is thus a matrix with rows of the same stride, however short the rows of the result are. At the end
of each of them `pitch - width` positions belong to no result. Channels are filled up with zeros to a given depth.
"""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.backends.tvm.kernels import Buffer, Expr
from isthmus.backends.tvm.schedules.indexing import Size, quotient, remainder
from isthmus.backends.tvm.schedules.windows import Pair, Windows, in_vectors
from isthmus.backends.tvm.schedules.write import load, store
from tvm import tirx
from tvm.tirx.script import builder as tir

LANES = 32
"""Elements of 16 bits that are copied at once."""


@dataclass(frozen=True)
class Phases:
    """The copy behind up to `tall` rows of a result."""

    w: Windows
    depth: int
    """Elements of a pixel: its channels, and zeros."""
    tall: int

    @property
    def counts(self) -> Pair:
        """Phases of rows and of columns, up to the last that some tap looks at."""
        down, across = (
            max(tap * self.w.dilations[axis] % self.w.strides[axis] for tap in range(self.w.kernel[axis])) + 1
            for axis in (0, 1)
        )
        return down, across

    @property
    def pitch(self) -> int:
        """Pixels of a row of a phase."""
        return self.w.result[1] + self._beyond(1)

    @property
    def rows(self) -> int:
        """Rows of a phase."""
        return int(self.looked_at(self.tall))

    def looked_at(self, count: Size) -> Size:
        """Rows of a phase that `count` rows of the result look at."""
        return count + self._beyond(0)

    def positions(self, count: Size) -> Size:
        """Positions from the first result of `count` rows to the last."""
        return (count - 1) * self.pitch + self.w.result[1]

    @property
    def pixels(self) -> int:
        """Pixels of all phases."""
        return self.counts[0] * self.counts[1] * self.rows * self.pitch

    def elements(self, positions: int) -> int:
        """Size of the copy where taps may look at so many positions, whether they belong to a result or not."""
        return (self.pixels + max(positions - int(self.positions(self.tall)), 0)) * self.depth

    def tap(self, down: Expr | int, across: Expr | int) -> Expr | int:
        """The pixel of the copy that a tap looks at for position 0."""
        y, x = down * self.w.dilations[0], across * self.w.dilations[1]
        phase = remainder(y, self.w.strides[0]) * self.counts[1] + remainder(x, self.w.strides[1])
        return (phase * self.rows + quotient(y, self.w.strides[0])) * self.pitch + quotient(x, self.w.strides[1])

    def fill(self, image: Buffer, n: Expr, top: Expr, count: Size, copy: Buffer) -> None:
        """Copy what `count` rows of the result from row `top` on look at. image is [N, H, W * C], copy is flat."""
        (above, _), (height, _) = self.w.before, self.w.size
        down, across = self.counts
        with tir.serial(0, down) as a, tir.serial(0, self.looked_at(count)) as row:
            y = tir.bind((top + row) * self.w.strides[0] + a - above)
            line = self.pitch * self.depth
            starts = [tir.bind(((a * across + b) * self.rows + row) * line) for b in range(across)]
            with tir.If(tir.And(y >= 0, y < height)):
                with tir.Then():
                    for b, start in enumerate(starts):
                        self._fill_line(image, [n, y], b, copy, start)
                with tir.Else():
                    for start in starts:
                        zeros(copy, start, line)

    def _fill_line(self, image: Buffer, row: list[Expr], b: int, copy: Buffer, start: Expr) -> None:
        """One row of phase (a, b)."""
        stride, left, channels = self.w.strides[1], self.w.before[1] - b, self.w.channels
        first = min(max(-(-left // stride), 0), self.pitch)
        last = min(max(-(-(self.w.size[1] + left) // stride), first), self.pitch)
        zeros(copy, start, first * self.depth)
        with tir.serial(first, last) as column:
            begin = tir.bind((column * stride - left) * channels)
            place = tir.bind(start + column * self.depth)

            def channel(at: Expr | int, lanes: int) -> None:
                store(copy, load(image, [*row, begin + at], lanes), [place + at], lanes)

            in_vectors(LANES, 0, channels, channel)
            zeros(copy, place + channels, self.depth - channels)
        zeros(copy, start + last * self.depth, (self.pitch - last) * self.depth)

    def _beyond(self, axis: int) -> int:
        """How many pixels of its phase the last tap lies after the first one."""
        return (self.w.kernel[axis] - 1) * self.w.dilations[axis] // self.w.strides[axis]


def zeros(copy: Buffer, start: Expr, count: int) -> None:
    """Put so many zeros from element `start` on."""

    def zero(at: Expr | int, lanes: int) -> None:
        store(copy, tirx.const(0, f"uint16x{lanes}" if lanes > 1 else "uint16"), [start + at], lanes)

    in_vectors(LANES, 0, count, zero)
