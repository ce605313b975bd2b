"""What is always true of an op in narrow floating point (f16, bf16): the precision policy in its row.

The evaluator computes narrow operands in f32 and rounds each result once, as hardware with f32 accumulators does. So
a policy speaks of operands that were rounded and of a result that will be, not of what happens in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Policy(Enum):
    """What `lower-precision` does with a node of the op."""

    LOW = "low"
    """Matrix work: worth a narrow type, and safe in it because sums are kept in f32."""
    FOLLOW = "follow"
    """Narrow where what it takes is narrow."""
    WIDE = "wide inside"
    """Follows, because its inside is computed in f32; the steps it is made of are not safe in a narrow type."""
    HIGH = "high"
    """Stays in f32."""


@dataclass(frozen=True)
class Precision:
    """A policy; for HIGH the reason, and whether it is only range that f16 lacks, so that bf16 may follow."""

    policy: Policy
    reason: str = ""
    range_only: bool = False


LOW = Precision(Policy.LOW)
FOLLOW = Precision(Policy.FOLLOW)
WIDE = Precision(Policy.WIDE)


def fragile(reason: str) -> Precision:
    """Rounding an operand or the result moves what is computed from it too far, in every narrow type."""
    return Precision(Policy.HIGH, reason)


def cramped(reason: str) -> Precision:
    """The numbers leave f16's range; a narrow type with the range of f32 follows."""
    return Precision(Policy.HIGH, reason, range_only=True)
