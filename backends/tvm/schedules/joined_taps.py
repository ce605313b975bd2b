"""Few channels: a copy whose pixels hold all that a window looks at in a row, so that these taps fill one vector.

    copy[y, x] = image[y, x * stride : x * stride + taps, :], then zeros up to the depth

Windows over it are one pixel wide. Rows go by the phases of their stride, as in any copy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from isthmus.backends.tvm.kernels import Buffer, Expr
from isthmus.backends.tvm.schedules.indexing import Size
from isthmus.backends.tvm.schedules.phases import LANES, Phases, zeros
from isthmus.backends.tvm.schedules.windows import Windows, copy_rows, in_vectors
from isthmus.backends.tvm.schedules.write import load, scratch, store
from tvm.tirx.script import builder as tir


def joined(w: Windows) -> Windows:
    """The windows over the copy. Those over the image have taps that are neighbours in a row."""
    return replace(
        w,
        channels=w.kernel[1] * w.channels,
        size=(w.size[0], w.result[1]),
        kernel=(w.kernel[0], 1),
        strides=(w.strides[0], 1),
        before=(w.before[0], 0),
    )


@dataclass(frozen=True)
class JoinedTaps(Phases):
    """The copy: `w` are the joined windows."""

    given: Windows
    """Those over the image."""

    def fill(self, image: Buffer, n: Expr, top: Expr, count: Size, copy: Buffer) -> None:
        """As `Phases.fill`, by a padded copy of one row after the other."""
        given, taps = self.given, self.w.channels
        step = given.strides[1] * given.channels
        line = scratch(((self.pitch - 1) * step + self.depth,), "uint16")
        with tir.serial(0, self.counts[0]) as a, tir.serial(0, self.looked_at(count)) as row:
            copy_rows(image, n, (top + row) * given.strides[0] + a, line, 1, given, None, LANES)
            start = tir.bind((a * self.rows + row) * (self.pitch * self.depth))
            with tir.serial(0, self.pitch) as column:
                place = tir.bind(start + column * self.depth)

                def element(at: Expr | int, lanes: int) -> None:
                    store(copy, load(line, [column * step + at], lanes), [place + at], lanes)

                in_vectors(LANES, 0, self.depth, element)  # whole vectors are faster than just the taps
                zeros(copy, place + taps, self.depth - taps)
