"""The installed TensorRT."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

NAMES = ("tensorrt_rtx", "tensorrt")
"""Both have the same network API."""


def installed() -> str | None:
    """The name of the TensorRT package there is, or None."""
    return next((name for name in NAMES if find_spec(name)), None)


@cache
def library() -> Any:
    """The TensorRT module; ImportError where none is installed."""
    name = installed()
    if name is None:
        raise ImportError("TensorRT is not installed: pip install isthmus[tensorrt]")
    return import_module(name)


def library_or_skip() -> Any:
    """The TensorRT module; skips the test module that asks where none is installed."""
    if installed() is None:
        pytest.skip("TensorRT is not installed", allow_module_level=True)
    return library()
