"""Narrow floating-point types: what they can hold."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.ir.types import BF16, F16, DType


@dataclass(frozen=True)
class Narrow:
    """A type that values may be lowered to."""

    dtype: DType
    largest: float
    """The largest finite number."""
    smallest: float
    """The smallest positive number of full precision."""
    ulp: float
    """The largest relative error of rounding."""
    mask: float
    """A finite number below any score that sums of two still do not leave the range with."""
    aim: float
    """The relative L2 error that lowering a network should stay within."""

    @property
    def is_cramped(self) -> bool:
        """Whether the range, and not only the precision, is less than that of f32."""
        return self.largest < 1e30

    @property
    def is_coarse(self) -> bool:
        """Whether there are so few digits that parameters and single roundings are felt."""
        return self.ulp > 2.0**-10

    def __str__(self) -> str:
        return self.dtype.name


NARROW = {
    "f16": Narrow(F16, 65504.0, 2.0**-14, 2.0**-11, -32768.0, 5e-3),
    "bf16": Narrow(BF16, 3.3895313892515355e38, 2.0**-126, 2.0**-8, -(2.0**126), 4e-2),
}
"""By the name in pipeline text. bf16's own relative rounding error is 8 times that of f16, and so is its aim."""
