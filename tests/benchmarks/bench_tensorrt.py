"""The exported networks on TensorRT, built ahead of time for sm_89 in every precision, for one batch and for a range.

Each engine is built by the real builder in a process of its own. The same network is then read back layer by layer, run
in numpy (tests/support/tensorrt) and held against the evaluator on the same graph: the relative L2 error of the worst
output. Prints the nodes of the graph, the layers of the network, how many tensors are f32 in it, the engine's size,
and the seconds that building and reading back took.

`python -m tests.benchmarks tensorrt`; `python -m tests.benchmarks.bench_tensorrt NAME ...` for some networks only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

import isthmus
from isthmus.compiler.program import Program
from isthmus.ir.evaluate import evaluate
from isthmus.ir.types import Array
from isthmus.passes.numerics import relative_error
from tests.support import exported
from tests.support.tensorrt.bench import BACKEND, Bench
from tests.support.tensorrt.readback import run_network, tensors

PRECISIONS = ("fp32", "fp16", "bf16")
BATCHES: dict[str, int | str] = {"static": 1, "dynamic": "N:1..4"}


def main(names: Sequence[str] = exported.NAMES) -> None:
    """Build, read back and print."""
    titles = f"{'nodes':>5} {'layers':>6} {'f32':>4} {'MB':>6} {'error':>8} {'build s':>7} {'read s':>6}"
    print(f"{'network':20} {'precision':9} {'batch':7} {titles}")
    bench = Bench()
    for name in names:
        for precision in PRECISIONS:
            for kind, batch in BATCHES.items():
                print(f"{name:20} {precision:9} {kind:7} {_measured(bench, name, precision, batch)}", flush=True)


def _measured(bench: Bench, name: str, precision: str, batch: int | str) -> str:
    model = exported.filled(name)
    program = isthmus.compile(model, target=f"cuda-sm89-{precision}", inputs=exported.shapes(model, batch))
    arrays = exported.random_inputs(model, 1 if batch == 1 else 2)
    start = time.perf_counter()
    layers, wide, error = _read_back(bench, program, arrays)
    seconds = time.perf_counter() - start
    size = program.report.engine["layers"].partition(", ")[2]
    return (
        f"{program.graph.op_count():5} {layers:6} {wide:4} {size:>6} {error:8.1e}"
        f" {program.report.stages['build']:7.1f} {seconds:6.1f}"
    )


def _read_back(bench: Bench, program: Program, arrays: dict[str, Array]) -> tuple[int, int, float]:
    """How many layers the network has, how many f32 tensors, and how far its outputs are from the evaluator's."""
    legal = program.graph.copy()
    BACKEND.legalize(legal)
    written = bench.write(legal)
    ordered = [arrays[value.name] for value in legal.inputs]
    gots = run_network(written.definition, ordered)
    wants = evaluate(program.graph, ordered).values()
    error = max(relative_error(got, want) for got, want in zip(gots, wants, strict=True))
    wide = sum(tensor.dtype == np.float32 for tensor in tensors(written.definition))
    return written.definition.num_layers, wide, error


if __name__ == "__main__":
    main(sys.argv[1:] or exported.NAMES)
