"""cpu-bf16 against OpenVINO's own bf16 hint on the same file: time of one call, and error against f32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import isthmus
from isthmus.ir.types import Array
from tests.benchmarks.measure import geometric_mean, medians, show
from tests.support import exported

THREADS = 2
ROUNDS = 15
BATCH = 4
"""Errors are taken over so many inputs at once: over a single one, chance decides between equals."""


def relative_error(got: Mapping[str, Array], want: Mapping[str, Array]) -> float:
    """The largest relative L2 error of any output."""
    return max(
        float(np.linalg.norm(got[name].astype(np.float64) - array) / np.linalg.norm(array.astype(np.float64)))
        for name, array in want.items()
    )


def compiled(model: Any, hint: str, threads: int = THREADS) -> Any:
    """OpenVINO's own program in the precision of its hint, as a function on arrays by name."""
    import openvino

    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    program = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)
    names = [value.name for value in model.graph.output]
    return lambda inputs: dict(zip(names, program(inputs).values(), strict=True))


def measure(name: str) -> list[object]:
    """The model's row: times and errors of both, and the nodes of ours by precision."""
    model = exported.filled(name)
    batch = {k: np.ascontiguousarray(v) for k, v in exported.random_inputs(model, BATCH).items()}
    one = {k: np.ascontiguousarray(v[:1]) for k, v in batch.items()}
    exact = compiled(model, "f32")(batch)
    program = isthmus.compile(model, target="cpu-bf16", threads=THREADS)
    theirs = compiled(model, "bf16")
    errors = [relative_error(program(batch), exact), relative_error(theirs(batch), exact)]
    times = medians({"ours": lambda: program(one), "openvino": lambda: theirs(one)}, ROUNDS)
    ratio = times["openvino"] / times["ours"]
    nodes = program.report.engine["nodes by precision"].split(", i")[0]
    return [name, times["ours"] * 1e3, times["openvino"] * 1e3, ratio, *errors, nodes]


def main() -> None:
    """Measure and print."""
    rows = [measure(name) for name in exported.NAMES]
    mean = geometric_mean([float(str(row[3])) for row in rows])
    columns = ["model", "isthmus ms", "openvino ms", "openvino / ours", "error", "openvino's", "nodes"]
    show("bf16", columns, rows, f"batch 1, {THREADS} threads, errors over {BATCH} inputs; geometric mean {mean:.2f}")


if __name__ == "__main__":
    main()
