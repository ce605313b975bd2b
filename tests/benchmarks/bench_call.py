"""What a call costs beyond the engine: ours against `openvino.CompiledModel.__call__` on a 16-element relu.

Run as `python -m tests.benchmarks.bench_call`; prints microseconds a call and their ratio, measured in turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from isthmus.backends.base import BuildOptions
from isthmus.backends.openvino import OpenVINOBackend
from isthmus.ir.builder import Builder
from isthmus.ir.graph import Graph
from isthmus.ir.types import F32, TensorType

ROUNDS, CALLS = 15, 2000


def microseconds(call: Callable[[], object]) -> float:
    """Mean time of one call."""
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS * 1e6


def main() -> None:
    """Measure and print."""
    graph = Graph()
    x = graph.add_input(TensorType(F32, (16,)), "x")
    graph.set_outputs([Builder(graph).relu(x)], ["y"])
    executable = OpenVINOBackend().build(graph, BuildOptions())
    array = np.random.default_rng(0).normal(size=16).astype(np.float32)
    arrays = [array]
    pairs = [
        (microseconds(lambda: executable(arrays)), microseconds(lambda: executable.compiled(array)))
        for _ in range(ROUNDS)
    ]
    ours, theirs = (float(np.median(column)) for column in zip(*pairs, strict=True))
    print(f"isthmus {ours:.2f} us, CompiledModel.__call__ {theirs:.2f} us, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
