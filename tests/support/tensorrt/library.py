"""The installed TensorRT."""

from __future__ import annotations

from typing import Any

from isthmus.backends.tensorrt.library import library as chosen


def library() -> Any:
    """The module that is built with. The packages have the same network API."""
    return chosen().module
