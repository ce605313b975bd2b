"""TVM kernels of our own, one at a time, against onnxruntime and OpenVINO in f32: `make bench-tvm`.

All three run in one process in turns; figures are medians of microseconds, ort is onnxruntime, ov is OpenVINO; ratios
are their times over ours. The ratio of the shortest times stands beside that of the medians: where the two differ,
something else was running. On a busy machine `--processor-time` compares what one thread spends, whoever else runs.
`--save` keeps the figures where the documentation finds them (`tests.benchmarks.tvm_table`).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import isthmus
from isthmus.backends.tvm.kernels import Group
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import Array
from tests.benchmarks.measure import geometric_mean, show, turns
from tests.benchmarks.tvm_table import FILE

ROUNDS = 20
BURST = 8

Shape = tuple[int, ...]


def single(op: str, inputs: Mapping[str, Shape], constants: Mapping[str, Shape], **attributes: Any) -> onnx.ModelProto:
    """A model of one node over seeded constants."""
    random = np.random.default_rng(0)
    node = helper.make_node(op, [*inputs, *constants], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        op,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(random.standard_normal(s, np.float32), name) for name, s in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11)
    return onnx.shape_inference.infer_shapes(model)


def conv(channels: int, outputs: int, kernel: int, size: int, stride: int = 1, groups: int = 1) -> onnx.ModelProto:
    """A square convolution over a square image, padded to keep its size."""
    return single(
        "Conv",
        {"x": (1, channels, size, size)},
        {"w": (outputs, channels // groups, kernel, kernel)},
        strides=[stride] * 2,
        pads=[kernel // 2] * 4,
        group=groups,
    )


def attention(heads: int, length: int, size: int) -> onnx.ModelProto:
    """Queries, keys and values of as many tokens."""
    return single("Attention", dict.fromkeys("qkv", (1, heads, length, size)), {})


MODELS: Mapping[str, Callable[[], onnx.ModelProto]] = {
    "conv 7x7 s2 3->64 @224": lambda: conv(3, 64, 7, 224, 2),
    "conv 3x3 64->64 @56": lambda: conv(64, 64, 3, 56),
    "conv 1x1 256->64 @56": lambda: conv(256, 64, 1, 56),
    "depthwise 3x3 144 @56": lambda: conv(144, 144, 3, 56, 1, 144),
    "matmul 512x768x3072": lambda: single("MatMul", {"x": (512, 768)}, {"w": (768, 3072)}),
    "batched 12x128x128x64": lambda: single("MatMul", {"x": (12, 128, 128), "z": (12, 128, 64)}, {}),
    "softmax 12x128x128": lambda: single("Softmax", {"x": (12, 128, 128)}, {}),
    "layer norm 128x768": lambda: single("LayerNormalization", {"x": (128, 768)}, {"s": (768,), "b": (768,)}),
    "gelu 128x3072": lambda: single("Gelu", {"x": (128, 3072)}, {}),
}
"""What the target names. Beyond it: `MORE`."""

MORE: Mapping[str, Callable[[], onnx.ModelProto]] = {
    "conv 3x3 128->128 @28": lambda: conv(128, 128, 3, 28),
    "conv 3x3 512->512 @7": lambda: conv(512, 512, 3, 7),
    "conv 1x1 s2 512->1024 @28": lambda: conv(512, 1024, 1, 28, 2),
    "conv 3x3 128->128 @28, 32 groups": lambda: conv(128, 128, 3, 28, 1, 32),
    "depthwise 5x5 480 @14": lambda: conv(480, 480, 5, 14, 1, 480),
    "depthwise 7x7 96 @56": lambda: conv(96, 96, 7, 56, 1, 96),
    "matmul 128x3072x768": lambda: single("MatMul", {"x": (128, 3072)}, {"w": (3072, 768)}),
    "matmul 1x768x3072": lambda: single("MatMul", {"x": (1, 768)}, {"w": (768, 3072)}),
    "attention 12x128x64": lambda: attention(12, 128, 64),
    "transpose 512x768": lambda: single("Transpose", {"x": (512, 768)}, {}),
    "max pool 3x3 s2 64 @112": lambda: single(
        "MaxPool", {"x": (1, 64, 112, 112)}, {}, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4
    ),
}


PROGRAMS: Mapping[str, tuple[str, str]] = {
    "gelu": ("elementwise", "formulas, as vectors"),
    "transpose": ("squares in registers", "memory in another order of axes"),
}
"""Title and extent of what has no generator and is measured as a program of one kernel."""


@dataclass(frozen=True)
class Ours:
    """Our kernel, ready to run."""

    call: Callable[[], object]
    result: Callable[[], Array]
    title: str
    covers: str
    """What the generator says it writes."""


def contestants(model: onnx.ModelProto, threads: int) -> tuple[dict[str, Callable[[], object]], Ours, float]:
    """A call for each engine, our kernel, and its relative error against onnxruntime."""
    import onnxruntime
    import openvino

    from tests.backends.tvm.schedules.running import relative_error

    shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in model.graph.input}
    random = np.random.default_rng(1)
    inputs: dict[str, Array] = {k: random.standard_normal(s, np.float32) for k, s in shapes.items()}
    data = model.SerializeToString()

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    core = openvino.Core()
    request = core.compile_model(core.read_model(data), "CPU", settings).create_infer_request()
    for name, array in inputs.items():
        request.set_tensor(name, openvino.Tensor(array))

    ours = kernel(isthmus.optimize(isthmus.import_model(data)), inputs, threads)
    calls: dict[str, Callable[[], object]] = {
        "ours": ours.call,
        "onnxruntime": lambda: session.run(None, inputs),
        "openvino": request.infer,
    }
    for call in calls.values():
        call()
    error = relative_error(ours.result(), session.run(None, inputs)[0])
    return calls, ours, error


def kernel(graph: Graph, inputs: Mapping[str, Array], threads: int) -> Ours:
    """Our kernel for a graph of one node.

    Generated kernels are called alone, their operands stored as they ask for; elementwise nodes have none and run as a
    program of one kernel.
    """
    import tvm

    from isthmus.backends.base import BuildOptions, Refused
    from isthmus.backends.tvm import TVMBackend
    from isthmus.backends.tvm.schedules.machine import detect
    from isthmus.backends.tvm.schedules.table import GENERATORS
    from tests.backends.tvm.schedules.running import build

    [node] = [n for n in graph.nodes if n.op.name != "const"]
    if node.op.name not in GENERATORS:
        program = TVMBackend().build(graph, BuildOptions(threads=threads))
        arrays = [inputs[v.name] for v in graph.inputs]
        return Ours(lambda: program(arrays), lambda: program(arrays)[0], *PROGRAMS[node.op.name])
    group, machine = Group(node), detect(threads)
    built = build(group, machine)
    made = next(g for g in GENERATORS[node.op.name] if not isinstance(g(group, machine), Refused))
    known: dict[Value, Array] = {v: inputs[v.name] for v in graph.inputs}
    known |= {n.results[0]: n.attrs["data"].array for n in graph.nodes if n.op.name == "const"}
    order = built.kernel.result
    shape = [int(str(d)) for d in node.results[0].shape]
    result = tvm.runtime.tensor(np.empty([shape[axis] for axis in order], np.float32))
    arguments = built.tensors(known)
    return Ours(
        lambda: built.function(*arguments, result),
        lambda: result.numpy().transpose(np.argsort(order)),
        built.kernel.title,
        str(made.__doc__).splitlines()[0],
    )


def measured(name: str, model: onnx.ModelProto, threads: int, clock: Callable[[], float]) -> dict[str, Any]:
    """One row of the table."""
    calls, ours, error = contestants(model, threads)
    found = turns(calls, ROUNDS, BURST, clock)
    own, runtime, engine = (float(np.median(found[k])) for k in ("ours", "onnxruntime", "openvino"))
    return {
        "op": name,
        "kernel": ours.title,
        "covers": ours.covers,
        "microseconds": [round(t * 1e6, 1) for t in (own, runtime, engine)],
        "onnxruntime": runtime / own,
        "openvino": engine / own,
        "by minima": float(found["onnxruntime"].min() / found["ours"].min()),
        "error": error,
    }


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tvm_kernels", description="Kernels against onnxruntime and OpenVINO.")
    parser.add_argument("words", nargs="*", help="measure the kernels whose names hold one of these")
    parser.add_argument("--processor-time", action="store_true", help="one thread, by the time it spends")
    parser.add_argument("--save", action="store_true", help=f"keep the figures in {FILE.name}")
    asked = parser.parse_args(arguments)
    threads, clock = (1, time.process_time) if asked.processor_time else (2, time.perf_counter)
    how = f"f32, {threads} thread{'s' * (threads > 1)}, {'processor' if asked.processor_time else 'wall'} time"
    # Both are read once, when TVM starts its threads.
    os.environ["TVM_NUM_THREADS"] = str(threads)
    os.environ["TVM_BIND_THREADS"] = "0"
    saved: dict[str, list[dict[str, Any]]] = {}
    for title, models in (("kernels", MODELS), ("further kernels", MORE)):
        chosen = {k: v for k, v in models.items() if not asked.words or any(word in k for word in asked.words)}
        if chosen:
            saved[title] = [measured(name, model(), threads, clock) for name, model in chosen.items()]
            _show(title, saved[title], how)
    if asked.save:
        FILE.write_text(json.dumps({"how": how, **saved}, indent=1) + "\n", "utf-8")


def _show(title: str, rows: Sequence[Mapping[str, Any]], how: str) -> None:
    columns = ["op", "kernel", "ours", "ort", "ov", "ort / ours", "ov / ours", "by minima", "error"]
    ratios = ("onnxruntime", "openvino", "by minima")
    means = ", ".join(f"{geometric_mean([row[ratio] for row in rows]):.2f}" for ratio in ratios)
    cells = [
        [
            row["op"],
            row["kernel"],
            *(f"{t:.0f}" for t in row["microseconds"]),
            *(row[ratio] for ratio in ratios),
            f"{row['error']:.0e}",
        ]
        for row in rows
    ]
    show(title, columns, cells, f"microseconds, {how}; geometric means {means}")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
