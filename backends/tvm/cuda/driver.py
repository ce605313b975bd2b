"""The engine's own CUDA part, made loadable on machines without a driver.

It takes part in building: it packs machine code into the library. But it is linked to the driver's library and to the
CUDA runtime, though it calls neither while it packs. Where the driver is missing a stand-in of the same name is built,
whose functions all fail as on a machine without a GPU. That is done in the process that builds and in no other: a
process that is to run anything must find the real driver.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from isthmus.backends.tvm.api import ffi
from isthmus.backends.tvm.cuda.nvcc import Nvcc
from isthmus.ir.errors import BackendMissing

DRIVER = "libcuda.so.1"
RUNTIME = "libcudart.so.13"
"""What the engine's wheels are linked to."""

_CREATE = "ffi.Module.create.cuda"
"""What the engine's CUDA part offers; without it, source is packed instead of machine code."""

_CALLED = (
    *("cuDeviceGetName", "cuFuncSetAttribute", "cuGetErrorName", "cuGetErrorString", "cuLaunchKernelEx"),
    *("cuModuleGetFunction", "cuModuleLoadData", "cuModuleUnload", "cuTensorMapEncodeTiled"),
)
"""The driver's functions that the engine's CUDA part is linked to."""

_NO_DEVICE = 100
"""`CUDA_ERROR_NO_DEVICE`."""


def load_cuda_part(tvm: Any, nvcc: Nvcc, folder: Path) -> None:
    """Make the engine able to pack machine code, with a stand-in for the driver in `folder` if that is missing.

    Raises BackendMissing where the CUDA part, or the CUDA runtime, is not installed.
    """
    if is_loaded():
        return
    if not _opens(DRIVER):
        nvcc.library(stand_in(), folder / DRIVER)
        ctypes.CDLL(str(folder / DRIVER), ctypes.RTLD_GLOBAL)
    if not _opens(RUNTIME) and not any(_opens(str(where / RUNTIME)) for where in nvcc.libraries):
        raise BackendMissing(
            f"TVM's CUDA part needs {RUNTIME}, which no folder of the CUDA toolkit {nvcc.command} holds",
            hint="install the CUDA toolkit 13, and set CUDA_HOME to where it is",
        )
    part = Path(tvm.base._LOADED_LIBS["tvm_runtime"]._name).with_name("libtvm_runtime_cuda.so")
    try:
        ctypes.CDLL(str(part))
    except OSError as error:
        raise BackendMissing(
            f"TVM's CUDA part cannot be loaded: {error}", hint="install a release of apache-tvm 0.27 built with CUDA"
        ) from error
    if not is_loaded():
        raise BackendMissing(f"{part} packs no CUDA code", hint="install a release of apache-tvm 0.27 built with CUDA")


def is_loaded() -> bool:
    """Whether the engine can pack machine code in this process."""
    return ffi.get_global_func(_CREATE, allow_missing=True) is not None


def stand_in() -> str:
    """C++ of a library with the driver's functions, all of which fail."""
    functions = "\n".join(f"int {name}() {{ return {_NO_DEVICE}; }}" for name in _CALLED)
    return f'extern "C" {{\n{functions}\n}}\n'


def _opens(name: str) -> bool:
    try:
        ctypes.CDLL(name, ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True
