"""The processor's tile unit (AMX) where there is none: machine code written for it runs as it is.

Its instructions are illegal on other processors, and a signal handler carries them out (`tile_emulation/unit.cpp`). On
a processor that has the unit they run there.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tvm

from isthmus.backends import tvm as backend
from isthmus.backends.base import BuildOptions, Executable
from isthmus.backends.tvm.compilation import kernel_pipeline, pipeline
from isthmus.backends.tvm.kernels import Machine
from isthmus.backends.tvm.schedules import machine
from isthmus.backends.tvm.schedules.tile_unit import FEATURES
from isthmus.ir.graph import Graph

_SOURCE = Path(__file__).parent / "tile_emulation" / "unit.cpp"


@contextmanager
def tile_unit(folder: Path) -> Iterator[Callable[[], int]]:
    """Within, the process has a tile unit. What is given counts the dots that were carried out for it."""
    made = folder / "libunit.so"
    command = ["g++", "-shared", "-fPIC", "-std=c++17", "-O2", "-ffp-contract=off", "-o", str(made), str(_SOURCE)]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(str(made))
    library.dots_done.restype = ctypes.c_uint64
    library.install()
    try:
        yield lambda: int(library.dots_done())
    finally:
        library.restore()


def target_with_tiles() -> Any:
    """The processor at hand and the unit, as LLVM is told."""
    attributes = sorted(f"+{name}" for name in FEATURES)
    return tvm.target.Target({"kind": "llvm", "mcpu": machine.processor(), "mattr": attributes})


def built_with_tiles(graph: Graph, threads: int) -> Executable:
    """A graph as `TVMBackend` builds it where the processor has the unit. It runs within `tile_unit`."""
    detect = machine.detect

    def detected(threads: int | None = None) -> Machine:
        found = detect(threads)
        return replace(found, features=found.features | FEATURES)

    def compiled(module: Any, *_: Any, **__: Any) -> Any:
        tvm.tirx.compilation_pipeline.register_tir_pipeline("isthmus-tiles", kernel_pipeline)
        how = {"relax_pipeline": pipeline(), "tir_pipeline": "isthmus-tiles"}
        return tvm.compile(module, target=target_with_tiles(), **how)

    with patch.object(machine, "detect", detected), patch.object(backend, "compiled", compiled):
        return backend.TVMBackend(is_isolated=False).build(graph, BuildOptions(threads=threads))
