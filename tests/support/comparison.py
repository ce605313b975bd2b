"""When two arrays count as the same result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from isthmus.ir.types import Array

_TINY = 1e-30


@dataclass(frozen=True)
class Comparison:
    """Integers exactly, floats by their relative L2 norm, infinities and NaN in place."""

    relative: Mapping[str, float]
    """How far results may be apart, by numpy's name of their type."""

    def __call__(self, got: Array, want: Array) -> str | None:
        """Why the two count as different, or None."""
        if got.shape != want.shape or got.dtype != want.dtype:
            return f"{got.dtype}{got.shape} instead of {want.dtype}{want.shape}"
        if want.dtype.kind in "biu":
            return None if np.array_equal(got, want) else f"{got[got != want][:5]} instead of {want[got != want][:5]}"
        a, b = got.astype(np.float64), want.astype(np.float64)
        special = ~(np.isfinite(a) & np.isfinite(b))
        if not np.array_equal(a[special], b[special], equal_nan=True):
            return f"{a[special][:8]} instead of {b[special][:8]}"
        error = float(np.linalg.norm(a[~special] - b[~special]))
        size = float(np.linalg.norm(b[~special]))
        if error <= self.relative[want.dtype.name] * max(size, _TINY):
            return None
        return f"relative error {error / size:.1e}" if size else f"an error of {error:.1e}, where all is 0"
