"""Dilated convolutions as TensorFlow 1 writes them: space to batch, an ordinary convolution, batch to space.

While reading, a tensor that was cut into blocks is remembered together with the whole one it came from. What is done
to the blocks is done to the whole as well, with the block sizes as dilations; when the blocks are put together again
the whole is there already, and the blocks are dead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.ir.graph import Value


@dataclass(frozen=True, eq=False)
class Whole:
    """What a tensor in blocks comes from, padded, and the size of the blocks along each axis that is cut."""

    value: Value
    blocks: Mapping[int, int]

    def with_axis(self, value: Value, axis: int) -> Whole:
        """The same with a new axis."""
        return Whole(value, {a + (a >= axis): block for a, block in self.blocks.items()})

    def without_axes(self, value: Value, axes: tuple[int, ...]) -> Whole | None:
        """The same without axes of size 1; None where one of them is cut."""
        if any(axis in self.blocks for axis in axes):
            return None
        return Whole(value, {a - sum(gone < a for gone in axes): block for a, block in self.blocks.items()})
