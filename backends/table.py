"""The backends by name, each loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from isthmus.backends.base import Backend


def _reference() -> Backend:
    from isthmus.backends.reference import ReferenceBackend

    return ReferenceBackend()


def _openvino() -> Backend:
    from isthmus.backends.openvino import OpenVINOBackend

    return OpenVINOBackend()


def _tensorrt() -> Backend:
    from isthmus.backends.tensorrt.backend import TensorRTBackend

    return TensorRTBackend()


def _tvm() -> Backend:
    from isthmus.backends.tvm import TVMBackend

    return TVMBackend()


_MAKERS: Mapping[str, Callable[[], Backend]] = {
    "reference": _reference,
    "openvino": _openvino,
    "tensorrt": _tensorrt,
    "tvm": _tvm,
}


@cache
def backend_called(name: str) -> Backend:
    """The backend; KeyError for a name that no target has. The engine itself is loaded when it first builds."""
    return _MAKERS[name]()
