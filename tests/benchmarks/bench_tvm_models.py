"""Whole networks on `cpu-fp32@tvm` against onnxruntime and OpenVINO in f32: `python -m tests.benchmarks tvm_models`.

All three run in one process in turns on two threads; figures are medians of milliseconds. Compilation is given as the
processor seconds of this process and its child, and as wall time.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
import onnx

import isthmus
from isthmus.ir.types import Array
from tests.benchmarks.bench_latency import contestants
from tests.benchmarks.measure import geometric_mean, medians, show
from tests.support import exported

THREADS = 2
ROUNDS = 15
TARGET = "cpu-fp32@tvm"


def processor_seconds() -> float:
    """What this process and its children that ended have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def compiled(model: onnx.ModelProto) -> tuple[isthmus.Program, float, float]:
    """The program for batch 1, and the processor and wall seconds it took."""
    used, start = processor_seconds(), time.perf_counter()
    data, sizes = model.SerializeToString(), exported.shapes(model, 1)
    program = isthmus.compile(data, TARGET, inputs=sizes, threads=THREADS)
    return program, processor_seconds() - used, time.perf_counter() - start


def relative_error(got: Mapping[str, Array], want: list[Array]) -> float:
    """The largest relative L2 error of an output."""
    pairs = [(a.astype(np.float64), b.astype(np.float64)) for a, b in zip(got.values(), want, strict=True)]
    return max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs)


def fallbacks(program: isthmus.Program) -> int:
    """How many kernels are the default ones, as the library has none."""
    notes = program.report.engine.get("default kernels", "")
    return len(notes.splitlines())


def main(names: list[str] | None = None) -> None:
    """Measure and print, all networks unless some are named."""
    # Both are read once, when TVM starts its threads.
    os.environ["TVM_NUM_THREADS"] = str(THREADS)
    os.environ["TVM_BIND_THREADS"] = "0"
    rows: list[list[object]] = []
    ratios: list[tuple[float, float]] = []
    for name in names or exported.NAMES:
        model = exported.filled(name)
        inputs = {k: np.ascontiguousarray(v) for k, v in exported.random_inputs(model, 1).items()}
        program, used, taken = compiled(model)
        others = contestants(model.SerializeToString(), inputs)
        want = others["onnxruntime"]()
        assert isinstance(want, list)
        error = relative_error(program(inputs), want)
        calls: dict[str, Callable[[], object]] = {
            "ours": lambda program=program, inputs=inputs: program(inputs),  # type: ignore[misc]
            "onnxruntime": others["onnxruntime"],
            "openvino": others["openvino"],
        }
        times = medians(calls, ROUNDS)
        ours, runtime, engine = (times[k] * 1e3 for k in ("ours", "onnxruntime", "openvino"))
        ratios.append((runtime / ours, engine / ours))
        built = f"{used:.0f} s / {taken:.0f} s"
        rows.append([name, ours, runtime, engine, *ratios[-1], f"{error:.0e}", built, fallbacks(program)])
    means = [geometric_mean(column) for column in zip(*ratios, strict=True)]
    columns = ["network", "ours", "ort", "ov", "ort / ours", "ov / ours", "error", "compiled cpu / wall", "default"]
    note = f"milliseconds, batch 1, f32, {THREADS} threads; geometric means {means[0]:.2f} and {means[1]:.2f}"
    show("whole networks", columns, rows, note)


if __name__ == "__main__":
    main(sys.argv[1:])
