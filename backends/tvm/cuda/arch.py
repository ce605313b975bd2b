"""The architectures that code is built for, and what a block of threads may use on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isthmus.backends.tvm.library import engine
from isthmus.ir.errors import DeviceUnavailable

SHARED_MEMORY = 48 << 10
"""Bytes of shared memory that every block may have without asking the driver for more.
https://docs.nvidia.com/cuda/cuda-c-programming-guide/#features-and-technical-specifications-technical-specifications-per-compute-capability
"""

ARCHS = ("sm80", "sm86", "sm89", "sm90")


@dataclass(frozen=True)
class Arch:
    """One compute capability, as a target names it: `sm89`."""

    name: str

    @property
    def nvcc(self) -> str:
        """As nvcc names it: `sm_89`."""
        return self.name.replace("sm", "sm_")

    def target(self) -> Any:
        """The engine's target, with the processor at hand as the host: it only calls, so LLVM optimizes nothing."""
        kind = {
            "kind": "cuda",
            "arch": self.nvcc,
            "max_threads_per_block": 1024,
            "max_shared_memory_per_block": SHARED_MEMORY,
            "thread_warp_size": 32,
        }
        return engine().target.Target(kind, host={"kind": "llvm", "opt-level": 0})


def arch_called(name: str) -> Arch:
    """The architecture; DeviceUnavailable with those there are."""
    if name not in ARCHS:
        raise DeviceUnavailable(
            f"TVM's kernels are not built for {name or 'a GPU that is not named'}",
            hint=f"name one of {', '.join(ARCHS)} in the target, such as cuda-sm89-fp16@tvm",
        )
    return Arch(name)
