"""Which TensorRT is installed, and all that differs between `tensorrt` 10, 11 and `tensorrt_rtx` 1.

A network that is strongly typed means the same to all of them, so everything else is written once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias

from isthmus.backends.tensorrt.device import gpu_arch
from isthmus.ir.errors import BackendFailed, BackendMissing

MODULES = ("tensorrt", "tensorrt_rtx")
"""Tried in this order where there is a GPU: the full library serves more of them than TensorRT-RTX. Where there is
none the full library builds nothing, and is tried last.
"""

CURRENT = "current"
"""The GPU at hand, as `Library.target` takes it."""

Sink: TypeAlias = Callable[[str, str], None]
"""Told the severity ("error", "warning", "info", "verbose") and the text of each of the engine's messages."""


@dataclass(frozen=True)
class Library:
    """One installed TensorRT."""

    module: ModuleType
    name: str
    version: str

    def __str__(self) -> str:
        title = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}[self.name]
        return f"{title} {self.version}"

    def logger(self, sink: Sink) -> Any:
        """An `ILogger` that hands messages on."""
        trt = self.module
        names = {
            trt.ILogger.INTERNAL_ERROR: "error",
            trt.ILogger.ERROR: "error",
            trt.ILogger.WARNING: "warning",
            trt.ILogger.INFO: "info",
            trt.ILogger.VERBOSE: "verbose",
        }

        class Logger(trt.ILogger):  # type: ignore[name-defined, misc]
            def __init__(self) -> None:
                super().__init__()

            def log(self, severity: Any, text: str) -> None:
                if severity in names:
                    sink(names[severity], text)

        return Logger()

    @property
    def archs(self) -> tuple[str, ...]:
        """The architectures it builds for ahead of time, such as `sm89`; none where it builds for the GPU at hand."""
        known = getattr(self.module, "ComputeCapability", None)
        members = () if known is None else known.__members__
        return tuple(name.lower() for name in members if name.startswith("SM"))

    def target(self, config: Any, arch: str) -> None:
        """Build for one of `archs`, or for CURRENT. BackendFailed where the builder does not take it."""
        if not self.archs:
            return
        config.num_compute_capabilities = 1
        if not config.set_compute_capability(self.module.ComputeCapability.__members__[arch.upper()], 0):
            raise BackendFailed(f"{self} does not build for {arch}")

    @property
    def counts_results(self) -> bool:
        """Whether it runs layers that find out how many results there are: TensorRT-RTX 1 has no kernel for any."""
        return self.name != "tensorrt_rtx"

    def create_network(self, builder: Any) -> Any:
        """An empty strongly typed network. TensorRT 10 must be told so; from 11 on there is no other kind."""
        flags = self.module.NetworkDefinitionCreationFlag.__members__
        typed = flags.get("STRONGLY_TYPED")
        return builder.create_network(0 if typed is None else 1 << int(typed))


@cache
def library() -> Library:
    """The TensorRT that is installed. Raises BackendMissing where there is none, or none that loads."""
    broken = []
    for name in MODULES if gpu_arch() else reversed(MODULES):
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                broken.append(f"{name} is installed and does not load: {error}")
        except Exception as error:  # whatever a module that misses native libraries raises
            broken.append(f"{name} is installed and does not load: {error}")
        else:
            return Library(module, name, str(module.__version__))
    raise BackendMissing(
        "; ".join(broken) or "neither tensorrt nor tensorrt_rtx is installed",
        hint="pip install 'isthmus[tensorrt]' for TensorRT-RTX, or NVIDIA's tensorrt package",
    )
