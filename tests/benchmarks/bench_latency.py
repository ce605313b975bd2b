"""One call of a compiled network: ours, onnxruntime's, and OpenVINO's own reader and compiler on the same file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx

import isthmus
from isthmus.ir.types import Array
from tests.benchmarks.measure import geometric_mean, medians, show
from tests.support import exported, light

THREADS = 2
ROUNDS = 15


def contestants(data: bytes, inputs: Mapping[str, Array]) -> dict[str, Callable[[], object]]:
    """A call for each engine, warmed up."""
    import onnxruntime
    import openvino

    program = isthmus.compile(data, threads=THREADS)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": THREADS,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = core.compile_model(core.read_model(data), "CPU", settings)
    calls: dict[str, Callable[[], object]] = {
        "isthmus": lambda: program(inputs),
        "onnxruntime": lambda: session.run(None, dict(inputs)),
        "openvino": lambda: compiled(dict(inputs)),
    }
    for call in calls.values():
        call()
    return calls


def models() -> dict[str, tuple[onnx.ModelProto, dict[str, Array]]]:
    """The networks, each with inputs of batch 1."""
    found = {"light_resnet50": (model := light.filled("resnet50"), light.random_inputs(model))}
    for name in exported.NAMES:
        model = exported.filled(name)
        found[name] = (model, exported.random_inputs(model, 1))
    return {
        name: (model, {k: np.ascontiguousarray(v) for k, v in inputs.items()})
        for name, (model, inputs) in found.items()
    }


def main() -> None:
    """Measure and print."""
    rows: list[list[object]] = []
    ratios: list[tuple[float, float]] = []
    for name, (model, inputs) in models().items():
        times = medians(contestants(model.SerializeToString(), inputs), ROUNDS)
        ours, runtime, engine = (times[k] * 1e3 for k in ("isthmus", "onnxruntime", "openvino"))
        ratios.append((runtime / ours, engine / ours))
        rows.append([name, ours, runtime, engine, *ratios[-1]])
    means = [geometric_mean(column) for column in zip(*ratios, strict=True)]
    columns = ["model", "isthmus ms", "onnxruntime ms", "openvino ms", "onnxruntime / ours", "openvino / ours"]
    note = f"batch 1, f32, {THREADS} threads; geometric means {means[0]:.2f} and {means[1]:.2f}"
    show("latency of one call", columns, rows, note)


if __name__ == "__main__":
    main()
