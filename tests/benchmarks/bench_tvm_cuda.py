"""The exported networks as CUDA libraries, built ahead of time by TVM and nvcc: no GPU is needed.

Each library is built in a process of its own, for each architecture in each precision. Prints the kernels and the
launches they are made of, how many kernels took the default path, the library's size, and the seconds that writing the
module, scheduling and lowering, nvcc, and linking took.

`python -m tests.benchmarks tvm_cuda`; `python -m tests.benchmarks.bench_tvm_cuda NAME ...` for some networks only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from isthmus.backends.base import BuildOptions
from isthmus.backends.tvm import TVMBackend
from isthmus.backends.tvm.cuda.backend import legalized, written
from isthmus.backends.tvm.cuda.library import library
from isthmus.compiler.importers.dispatch import import_model
from isthmus.ir.graph import Graph
from isthmus.passes import pipelines
from isthmus.passes.manager import PassManager
from isthmus.passes.spec import parse_pipeline
from tests.support import exported

PRECISIONS = ("fp32", "fp16")
ARCHS = ("sm89", "sm90")


def main(names: Sequence[str] = exported.NAMES) -> None:
    """Build and print."""
    titles = f"{'nodes':>5} {'kernels':>7} {'launches':>8} {'default':>7} {'MB':>6} {'write s':>7} {'lower s':>7}"
    print(f"{'network':20} {'precision':9} {'arch':5} {titles} {'nvcc s':>6} {'total s':>7}")
    for name in names:
        for precision in PRECISIONS:
            graph = _optimized(name, precision)
            for arch in ARCHS:
                print(f"{name:20} {precision:9} {arch:5} {_measured(graph, arch)}", flush=True)


def _optimized(name: str, precision: str) -> Graph:
    model = exported.filled(name)
    graph = import_model(model, inputs=exported.shapes(model, 1))
    PassManager(parse_pipeline(pipelines.for_precision(precision)), "structure", None, samples=()).run(graph)
    TVMBackend().legalize(graph)
    return legalized(graph)


def _measured(graph: Graph, arch: str) -> str:
    start = time.perf_counter()
    module, _ = written(graph)
    middle = time.perf_counter()
    options = BuildOptions(arch=arch)
    entry = library(module, arch, options)
    end = time.perf_counter()
    facts, seconds = entry.facts, entry.facts["seconds"]
    lowering = seconds["spread"] + seconds["compile"] - seconds["nvcc"]
    return (
        f"{graph.op_count():5} {facts['functions']:7} {facts['grids']:8} {facts['spread']:7}"
        f" {entry.file.stat().st_size / 1e6:6.2f} {middle - start:7.1f} {lowering:7.1f} {seconds['nvcc']:6.1f}"
        f" {end - start:7.1f}"
    )


if __name__ == "__main__":
    main(sys.argv[1:] or exported.NAMES)
