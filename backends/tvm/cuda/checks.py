"""What must be true of a build, looked at instead of believed: the engine packs source without a word where it can."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.backends.tvm.api import ffi, tirx
from isthmus.backends.tvm.cuda.arch import SHARED_MEMORY
from isthmus.backends.tvm.cuda.threads import is_spread
from isthmus.ir.errors import BackendFailed

FATBIN = b"\x50\xed\x55\xba"
"""What machine code packed by nvcc begins with: 0xBA55ED50, `FATBINC_MAGIC` one level in (fatbinary_section.h)."""


def require_threads(module: Any) -> None:
    """BackendFailed unless all kernels are bound to threads."""
    loose = [
        name.name_hint
        for name, function in module.functions_items()
        if isinstance(function, tirx.PrimFunc) and not is_spread(function)
    ]
    if loose:
        raise BackendFailed(f"kernels {', '.join(loose)} store from no thread of the GPU: the schedules missed them")


def require_shared_memory(module: Any) -> None:
    """BackendFailed unless each kernel is content with the shared memory that every block of threads may have."""
    for name, function in module.functions_items():
        if not isinstance(function, tirx.PrimFunc):
            continue
        taken = shared_memory(function)
        if taken > SHARED_MEMORY:
            raise BackendFailed(f"kernel {name.name_hint} shares {taken} bytes in a block; there are {SHARED_MEMORY}")


def shared_memory(function: Any) -> int:
    """Bytes that the threads of a block share in a kernel of one grid."""
    total = 0

    def allocated(stmt: Any) -> None:
        nonlocal total
        if stmt.buffer.scope() == "shared":
            total += math.prod(int(d) for d in stmt.buffer.shape) * np.dtype(str(stmt.buffer.dtype)).itemsize

    ffi.structural_walk(function.body, (tirx.AllocBuffer, allocated))
    return total


def require_machine_code(library: Path, fatbin: bytes) -> None:
    """BackendFailed unless the library holds the machine code as it was made."""
    if not fatbin.startswith(FATBIN):
        raise BackendFailed("nvcc made something that is no machine code", where=str(library))
    if fatbin not in library.read_bytes():
        raise BackendFailed(
            "the library holds no machine code for the GPU: the engine packed something else in its place",
            where=str(library),
            hint="its CUDA part must be loadable where it is built (libtvm_runtime_cuda.so)",
        )
