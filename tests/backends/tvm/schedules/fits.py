"""Where the coefficients of `schedules/mathfunctions.py` come from: run it and it prints them.

Each is a fit of least relative error on Chebyshev points, reweighted towards the points of largest error (Lawson's
algorithm) until the errors are even; a quotient is fitted as P - f * Q, divided by the Q of the round before.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from isthmus.ir.types import Array

POINTS = 4000
ROUNDS = 60


def fit(f: Callable[[float], float], low: float, high: float, top: int, bottom: int = 0) -> tuple[Array, Array, float]:
    """Coefficients of P (degree `top`) and Q (degree `bottom`, Q(0) = 1), lowest first, and the largest error."""
    x = (low + high) / 2 + (high - low) / 2 * np.cos(np.linspace(0, np.pi, POINTS))
    y = np.array([f(float(each)) for each in x])
    scale = max(abs(low), abs(high))
    powers = (x[:, None] / scale) ** np.arange(max(top, bottom) + 1)
    weights, quotient = np.ones(POINTS), np.ones(POINTS)
    best: tuple[Array, Array, float] | None = None
    for _ in range(ROUNDS):
        rows = np.hstack([powers[:, : top + 1], -y[:, None] * powers[:, 1 : bottom + 1]])
        weigh = np.sqrt(weights) / np.abs(y * quotient)
        found, *_ = np.linalg.lstsq(rows * weigh[:, None], y * weigh, rcond=None)
        p, q = found[: top + 1], np.concatenate([[1.0], found[top + 1 :]])
        quotient = powers[:, : bottom + 1] @ q
        errors = np.abs(powers[:, : top + 1] @ p / quotient / y - 1)
        if best is None or errors.max() < best[2]:
            best = (p / scale ** np.arange(top + 1), q / scale ** np.arange(bottom + 1), float(errors.max()))
        weights = weights * errors
        weights /= weights.mean()
    assert best is not None
    return best


def erf_over_x(s: float) -> float:
    """erf(x) / x as a function of s = x * x."""
    x = math.sqrt(s)
    return math.erf(x) / x if x > 1e-8 else 2 / math.sqrt(math.pi)


def tanh_over_x(s: float) -> float:
    """tanh(x) / x as a function of s = x * x."""
    x = math.sqrt(s)
    return math.tanh(x) / x if x > 1e-8 else 1.0


def log1p_rest(z: float) -> float:
    """(log(1 + z) - z + z * z / 2) / z^3."""
    if abs(z) > 1e-2:
        return (math.log1p(z) - z + z * z / 2) / z**3
    return sum((-z) ** k / (k + 3) for k in range(9))


def main() -> None:
    """Print every fit."""
    half = math.log(2) / 2
    for name, f, low, high, top, bottom in (
        ("exp", math.exp, -half * 1.001, half * 1.001, 5, 0),
        ("exp", math.exp, -half * 1.001, half * 1.001, 6, 0),
        ("erf", erf_over_x, 0.0, 15.5, 5, 5),
        ("erf", erf_over_x, 0.0, 15.5, 6, 5),
        ("tanh", tanh_over_x, 0.0, 81.0, 5, 4),
        ("tanh", tanh_over_x, 0.0, 81.0, 6, 3),
        ("log", log1p_rest, math.sqrt(0.5) - 1, math.sqrt(2) - 1, 8, 0),
    ):
        p, q, error = fit(f, low, high, top, bottom)
        print(name, top, bottom, f"{error:.1e}")
        print("  P", ", ".join(f"{c:.9g}" for c in p))
        print("  Q", ", ".join(f"{c:.9g}" for c in q))


if __name__ == "__main__":
    main()
