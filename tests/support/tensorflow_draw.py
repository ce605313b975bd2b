"""Weights of TensorFlow fixtures, drawn from seeds: the same when they are made and when tests read them."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray


def draw(seed: str, shape: tuple[int, ...], kind: str, spread: float) -> NDArray[np.float32]:
    """Seeded by `seed`: normal around 0 with deviation `spread`, or "positive", uniform in 1 - spread..1 + spread."""
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    found = rng.uniform(1 - spread, 1 + spread, shape) if kind == "positive" else rng.normal(0, spread, shape)
    return found.astype(np.float32)
