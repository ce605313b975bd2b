"""Fixtures of all tests."""

from __future__ import annotations

import pytest

from isthmus.backends.tensorrt.device import Gpu, gpu_arch
from isthmus.backends.tensorrt.device import gpu as open_gpu


@pytest.fixture
def gpu() -> Gpu:
    """The GPU at hand; the test is skipped where there is none."""
    if not gpu_arch():
        pytest.skip("there is no NVIDIA GPU here")
    return open_gpu()
