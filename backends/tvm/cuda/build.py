"""From the module that the emitter writes to a library with machine code for one GPU architecture.

`build` is for a process of its own: it may load a stand-in for the driver, and it changes how the engine compiles CUDA.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.backends.tvm.api import ffi, tirx
from isthmus.backends.tvm.compilation import pipeline as calls
from isthmus.backends.tvm.cuda import lowering
from isthmus.backends.tvm.cuda.arch import arch_called
from isthmus.backends.tvm.cuda.checks import require_machine_code, require_shared_memory, require_threads
from isthmus.backends.tvm.cuda.driver import load_cuda_part
from isthmus.backends.tvm.cuda.intrinsics import for_cuda
from isthmus.backends.tvm.cuda.nvcc import Nvcc, find_nvcc
from isthmus.backends.tvm.cuda.threads import is_spread, spread
from isthmus.backends.tvm.library import engine

LIBRARY = "kernels.so"

Step = Callable[[str, int, int], None]
"""`Progress.step`, or a child's `Tell.step`."""


@dataclass
class Built:
    """A library, and what is known of it."""

    file: Path
    functions: int = 0
    """Kernels as they are called."""
    grids: int = 0
    """Launches that they are made of."""
    spread: int = 0
    """Kernels of the default path, spread over threads."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Per stage."""

    def facts(self) -> dict[str, Any]:
        """For a record of the build."""
        return {"functions": self.functions, "grids": self.grids, "spread": self.spread, "seconds": self.seconds}


def build(module: Any, arch: str, step: Step, folder: Path) -> Built:
    """Compile a Relax module for an architecture (`sm89`); leaves `LIBRARY` in the folder.

    Raises BackendMissing without nvcc or the engine's CUDA part, DeviceUnavailable for an unknown architecture, and
    BackendFailed where something does not compile, or no machine code came of it.
    """
    tvm, chosen, nvcc = engine(), arch_called(arch), find_nvcc()
    built = Built(folder / LIBRARY)
    step("prepare", 0, 4)
    load_cuda_part(tvm, nvcc, folder)
    step("spread over threads", 1, 4)
    with _timed(built, "spread"):
        module = on_threads(module, built)
    step("compile kernels", 2, 4)
    compiler = _Compiler(nvcc, chosen.nvcc, folder)
    ffi.register_global_func("tvm_callback_cuda_compile", compiler, override=True)
    tvm.tirx.compilation_pipeline.register_tir_pipeline(lowering.NAME, lowering.pipeline)
    with _timed(built, "compile"):
        made = tvm.compile(module, target=chosen.target(), relax_pipeline=calls(), tir_pipeline=lowering.NAME)
    built.seconds["nvcc"] = compiler.seconds
    built.grids = compiler.grids
    step("link", 3, 4)
    with _timed(built, "link"):
        made.export_library(str(built.file))
    if built.functions:
        require_machine_code(built.file, compiler.made)
    step("link", 4, 4)
    return built


def on_threads(module: Any, built: Built) -> Any:
    """The module with all kernels on threads."""
    tvm = engine()
    functions = dict(module.functions_items())
    for name, function in functions.items():
        if not isinstance(function, tirx.PrimFunc):
            continue
        built.functions += 1
        if not is_spread(function):
            function = spread(function)
            built.spread += 1
        functions[name] = for_cuda(function)
    made = tvm.IRModule(functions, attrs=module.attrs)
    require_threads(made)
    require_shared_memory(made)
    return made


class _Compiler:
    """What the engine calls with the source of all kernels."""

    def __init__(self, nvcc: Nvcc, arch: str, folder: Path) -> None:
        self._nvcc, self._arch, self._folder = nvcc, arch, folder
        self.seconds = 0.0
        self.made = b""
        self.grids = 0

    def __call__(self, source: str) -> bytes:
        start = time.perf_counter()
        self.grids = len(re.findall(r"^extern .* __global__ .*;$", source, re.M))  # each is declared once
        self.made = self._nvcc.fatbin(source, self._arch, self._folder)
        self.seconds = time.perf_counter() - start
        return self.made


@contextmanager
def _timed(built: Built, stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    built.seconds[stage] = time.perf_counter() - start
