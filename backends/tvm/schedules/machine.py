"""The processors that kernels are written for: two widths by name, and the one at hand."""

from __future__ import annotations

import ctypes
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from isthmus.backends.tvm.kernels import Machine
from isthmus.backends.tvm.schedules.tile_unit import FEATURES, PERMISSION

AVX2 = Machine(lanes=8, registers=16, threads=1, features=frozenset({"avx2", "fma", "f16c"}))
"""LLVM's x86-64-v3: Haswell and later, Zen to Zen 3."""

AVX512 = Machine(
    lanes=16,
    registers=32,
    threads=1,
    features=frozenset({"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl"}),
)
"""LLVM's x86-64-v4: Skylake-X and later, Zen 4 and later."""

AVX512_BF16 = replace(AVX512, features=AVX512.features | {"avx512bf16"})
"""AVX-512 with products of pairs of bf16: Cooper Lake, Sapphire Rapids and later, Zen 4 and later."""

TILES = replace(AVX512_BF16, features=AVX512_BF16.features | FEATURES)
"""With a tile unit as well: Sapphire Rapids and later."""

_LEVELS = {TILES.features: "sapphirerapids", AVX512_BF16.features: "cooperlake"}

_CPU = Path("/proc/cpuinfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def target(machine: Machine) -> Any:
    """What LLVM is told to compile for: the processor at hand where it is meant, else the least with its features."""
    import tvm

    level = {16: "x86-64-v4", 8: "x86-64-v3"}.get(machine.lanes, "x86-64-v2")
    mcpu = processor() if machine.features == features() else _LEVELS.get(machine.features, level)
    return tvm.target.Target({"kind": "llvm", "mcpu": mcpu})


def features() -> frozenset[str]:
    """What LLVM calls the features of the processor at hand, less those that a virtual machine or Linux withholds."""
    found = _of_model(processor())
    listed = _listed()
    if listed:
        found -= {name for name in TILES.features if name.replace("-", "_").replace("512bf", "512_bf") not in listed}
    return found if found >= FEATURES and _is_permitted() else found - FEATURES


def _listed() -> frozenset[str]:
    """The features that Linux lists, by its own names; none where it lists nothing."""
    try:
        lines = _CPU.read_text().splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.split()[2:]) for line in lines if line.startswith("flags")), frozenset())


def _is_permitted() -> bool:
    """Whether Linux lets this process use the tile unit; asking is what permits it."""
    return bool(ctypes.CDLL(None).syscall(*(ctypes.c_long(number) for number in PERMISSION)) == 0)


def processor() -> str:
    """What LLVM calls this machine's processor ("znver4"); only its level where a virtual machine withholds AVX-512.

    LLVM goes by the model's name, and would write instructions that end the process.
    """
    from tvm.target import codegen

    name, listed = str(codegen.llvm_get_system_cpu()), _listed()
    if not listed or not _of_model(name) & AVX512.features - listed:
        return name
    return "x86-64-v3" if listed >= AVX2.features else "x86-64-v2"


def _of_model(name: str) -> frozenset[str]:
    """The features that LLVM takes a processor of this name to have."""
    import tvm
    from tvm.target import codegen

    return frozenset(map(str, codegen.llvm_get_cpu_features(tvm.target.Target({"kind": "llvm", "mcpu": name}))))


def detect(threads: int | None = None) -> Machine:
    """The machine at hand. `threads` are all processors open to this process unless given."""
    found = features()
    lanes = 16 if "avx512f" in found else 8 if "avx2" in found else 4
    return Machine(
        lanes=lanes,
        registers=32 if lanes == 16 else 16,
        threads=threads or len(os.sched_getaffinity(0)),
        features=found,
        caches=_caches(),
    )


def _caches() -> tuple[int, int, int]:
    """Sizes of the data caches from the kernel's listing; where it has none, those of a small server core."""
    sizes = [32 << 10, 1 << 20, 16 << 20]
    for entry in _CACHES.glob("index*"):
        level, kind, size = (entry.joinpath(name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction" and level in "123" and size.endswith("K"):
            sizes[int(level) - 1] = int(size[:-1]) << 10
    return sizes[0], sizes[1], sizes[2]
