"""The engine, started once for the process, and what this machine's processor can do in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from isthmus.backends.base import Precision
from isthmus.ir.errors import BackendMissing, DeviceUnavailable

_CAPABILITIES: Mapping[str, str] = {"bf16": "BF16", "f16": "FP16"}
"""Narrow type -> what the plugin calls arithmetic in it. Without it, it computes in f32 and does not say so."""


def engine() -> ModuleType:
    """The `openvino` package; BackendMissing if there is none."""
    try:
        return import_module("openvino")
    except ImportError as error:
        raise BackendMissing(f"openvino cannot be imported: {error}", hint="pip install 'openvino>=2025.4'") from error


@cache
def core() -> Any:
    """One engine for the process: starting it costs more than compiling a small network."""
    return engine().Core()


@cache
def capabilities() -> frozenset[str]:
    """What the plugin says it is good at here: FP32, BF16, FP16, INT8 ..."""
    return frozenset(core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def computes(dtype: str) -> bool:
    """Whether values of a narrow floating-point type are computed in that type."""
    return _CAPABILITIES[dtype] in capabilities()


def require_precision(precision: Precision) -> None:
    """DeviceUnavailable unless this processor has arithmetic in the type."""
    if precision == "f32" or computes(precision):
        return
    others = [name for name in _CAPABILITIES if computes(name)]
    hint = "; ".join(
        [f"compile for cpu-{name}" for name in others]
        + ["compile for cpu-fp32", "for target 'reference' with the pass lower-precision, which emulates the rounding"]
    )
    raise DeviceUnavailable(
        f"this processor has no {precision} arithmetic: OpenVINO would compute in f32 instead",
        where=f"OpenVINO's CPU plugin, which offers {', '.join(sorted(capabilities()))}",
        hint=hint,
    )
