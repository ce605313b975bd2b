"""The exported networks on the GPU at hand: how far from the evaluator in every precision, and the time of a call.

Each network is built for the GPU and called with inputs that lie on it already; a call is over when its outputs are
complete. Prints the relative L2 error of the worst output for a batch of 2, and the median time of a call for a batch
of 1 and of 4. Says so where there is no GPU that the installed library serves.

`python -m tests.benchmarks tensorrt_gpu`; what it prints belongs in docs/gpu.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import isthmus
from isthmus.backends.tensorrt.device import gpu, gpu_arch
from isthmus.backends.tensorrt.library import library
from isthmus.ir.evaluate import evaluate
from isthmus.passes.numerics import relative_error
from tests.benchmarks.measure import medians
from tests.support import exported
from tests.support.tensorrt.on_gpu import is_served, uploaded

PRECISIONS = ("fp32", "fp16", "bf16")
BATCHES = (1, 4)
ROUNDS = 100
_WARM_UP = 10


def main(names: Sequence[str] = exported.NAMES) -> None:
    """Build, call and print."""
    if not is_served(gpu_arch()):
        print(f"tensorrt_gpu: there is no GPU here that {library()} serves")
        return
    print(f"{library()} on {gpu().name} ({gpu_arch()})")
    titles = " ".join(f"{f'ms, batch {batch}':>12}" for batch in BATCHES)
    print(f"{'network':20} {'precision':9} {'error':>8} {titles}")
    for name in names:
        for precision in PRECISIONS:
            print(f"{name:20} {precision:9} {_measured(name, precision)}", flush=True)


def _measured(name: str, precision: str) -> str:
    model = exported.filled(name)
    program = isthmus.compile(model, f"cuda-{precision}", inputs=exported.shapes(model, f"N:1..{max(BATCHES)}"))
    arrays = exported.random_inputs(model, 2)
    wants = evaluate(program.graph, [arrays[value.name] for value in program.graph.inputs])
    error = max(relative_error(got, wants[output]) for output, got in program(arrays).items())
    times = []
    for batch in BATCHES:
        given = {key: uploaded(array, gpu()) for key, array in exported.random_inputs(model, batch).items()}
        for _ in range(_WARM_UP):
            program.run_on_device(given)
        times.append(medians({"call": lambda given=given: program.run_on_device(given)}, ROUNDS)["call"])  # type: ignore[misc]
    return f"{error:8.1e} " + " ".join(f"{1e3 * each:12.3f}" for each in times)


if __name__ == "__main__":
    main(sys.argv[1:] or exported.NAMES)
