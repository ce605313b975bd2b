"""Libraries for a GPU, run where there is none: TVM's own CUDA part on a driver and a runtime that are stand-ins.

The library is loaded and called as on a GPU: memory, launches and arguments are the engine's. Only what a launch runs
is not the machine code but the CUDA source it was made of, compiled for the processor (`cuda_emulation/threads.h`).
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.backends.tvm.cuda.nvcc import find_nvcc
from isthmus.ir.graph import Graph
from isthmus.ir.types import Array

if TYPE_CHECKING:
    from isthmus.backends.tvm.cuda.execution import Execution

_FOLDER = Path(__file__).parent / "cuda_emulation"
_KERNEL = re.compile(
    r'^extern "C" __global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\((.*?)\)( \{.*?^\}|;)', re.M | re.S
)
_VERSIONS = "libcudart.so.13 { global: cuda*; local: *; };"


def emulate(
    library: Path, graph: Graph, calls: Sequence[Sequence[Array]], constants: Sequence[Array], optimization: str = "-O0"
) -> list[list[Array]]:
    """Outputs of a graph, whose library was built beside its source, for each list of inputs.

    The first are given on the host, all others in the device's memory, in which their outputs are left too.
    Takes a process of its own. `optimization` is g++'s: compiling or running takes longer.
    """
    folder = library.parent
    include = _include()
    _compile(folder / "libcuda.so.1", _FOLDER / "driver.cpp", include)
    versions = folder / "versions.map"
    versions.write_text(_VERSIONS)
    _compile(folder / "libcudart.so.13", _FOLDER / "runtime.cpp", include, f"-Wl,--version-script={versions}")
    source = folder / "emulated.cpp"
    source.write_text(_launchable((folder / "kernels.cu").read_text("utf-8")), "utf-8")
    _compile(folder / "emulated.so", source, include, optimization, "-w")
    given, found = folder / "given.pickle", folder / "found.pickle"
    types = [v.type for v in graph.inputs], [v.type for v in graph.outputs]
    given.write_bytes(pickle.dumps((types, list(calls), list(constants))))
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(folder),
        "EMULATED_KERNELS": str(folder / "emulated.so"),
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }
    command = [sys.executable, "-P", str(Path(__file__).resolve()), str(library), str(given), str(found)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made: list[list[Array]] = pickle.loads(found.read_bytes())
    return made


def _launchable(source: str) -> str:
    """The source, and for each kernel a function that runs all threads of a grid."""
    source = re.sub(r"__shared__ (alignas\(\d+\))", r"\1 __shared__", source)  # the order that g++ knows
    parts = ['#include "threads.h"', source]
    bodies = {name: body for name, _, body in _KERNEL.findall(source) if body != ";"}
    for name, parameters, body in _KERNEL.findall(source):
        if body != ";":
            continue
        types = [re.sub(r"\s*\w+$", "", each.strip()).replace("__restrict__", "") for each in parameters.split(",")]
        passed = ", ".join(f"*static_cast<{type}*>(given[{i}])" for i, type in enumerate(types))
        waits = "true" if re.search("__(sync|shfl)", bodies[name]) else "false"
        parts += [
            f"static void call_{name}(void **given) {{ {name}({passed}); }}",
            f'extern "C" void launch_{name}(void **given, const unsigned *n) {{',
            f"  emulated::launch(call_{name}, {waits}, {{n[0], n[1], n[2]}}, {{n[3], n[4], n[5]}}, given);\n}}",
        ]
    return "\n".join(parts)


def _compile(made: Path, source: Path, include: Path, *options: str) -> None:
    command = ["g++", "-shared", "-fPIC", "-std=c++17", f"-Wl,-soname={made.name}", f"-I{_FOLDER}", f"-I{include}"]
    subprocess.run([*command, *options, "-o", str(made), str(source)], check=True)


def _include() -> Path:
    """Where the toolkit's headers are."""
    near = (folder.parent / "include" for folder in find_nvcc().libraries)
    return next(folder for folder in near if (folder / "cuda.h").is_file())


def _run(library: str, given: str, found: str) -> None:
    import ctypes

    for name in ("libcuda.so.1", "libcudart.so.13"):
        ctypes.CDLL(name)
    from isthmus.backends.store import Entry, Store
    from isthmus.backends.tvm.cuda.execution import Execution

    (inputs, outputs), (first, *others), constants = pickle.loads(Path(given).read_bytes())
    store = Store(Path(library).parent / "store")
    execution = Execution(Entry("emulated", Path(library), {}), inputs, outputs, constants, "", {}, store)
    results = [execution(first), *(_on_device(execution, x, stream) for stream, x in enumerate(others))]
    Path(found).write_bytes(pickle.dumps(results))


def _on_device(execution: Execution, inputs: Sequence[Array], stream: int) -> list[Array]:
    """Outputs of a call in the device's memory; in no stream of its own where that is 0."""
    from isthmus.backends.tvm.cuda.arrays import DeviceArray
    from isthmus.backends.tvm.library import engine

    tvm = engine()
    there = [execution.take(tvm.runtime.tensor(x, tvm.cuda(0)), "an input") for x in inputs]
    found = execution.on_device(there, stream or None)
    again = [execution.take(_Foreign(y), "an output") for y in found]
    assert [y.__dlpack_device__() for y in again if isinstance(y, DeviceArray)] == [(2, 0)] * len(found)
    return [y.numpy() for y in again if isinstance(y, DeviceArray)]


class _Foreign:
    """An array of another library."""

    def __init__(self, array: Any) -> None:
        self.__dlpack__ = array.__dlpack__
        self.__dlpack_device__ = array.__dlpack_device__


if __name__ == "__main__":
    _run(*sys.argv[1:])
