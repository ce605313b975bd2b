"""bf16 by our TVM kernels against OpenVINO's bf16 hint: `python -m tests.benchmarks.tvm_bf16 [kernels | NETWORK ...]`.

One thread of each, in turns, by the processor time it spends; medians. Kernels take and give bf16 on both sides.
Networks are compared with f32, and ours also with what the evaluator makes of the same bf16 graph.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import openvino
from openvino import Type, opset13

import isthmus
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from isthmus.ir.types import BF16, Array
from tests.benchmarks import bench_bf16
from tests.benchmarks.measure import geometric_mean, medians, show
from tests.support import exported

ROUNDS = 30
NETWORKS = ("bert_base", "resnet50")
NETWORK_ROUNDS = 15
INPUTS = 4
"""Errors are taken over so many inputs: over a single one, chance decides between equals."""


def main(names: Sequence[str] = ("kernels", *NETWORKS)) -> None:
    """Measure and print the kernels and the networks that are named."""
    # Both are read once, when TVM starts its threads.
    os.environ["TVM_NUM_THREADS"], os.environ["TVM_BIND_THREADS"] = "1", "0"
    if "kernels" in names:
        _kernels()
    if networks := [name for name in names if name != "kernels"]:
        columns = ["network", "ours", "openvino", "openvino / ours", "error", "openvino's", "from the evaluator"]
        note = "milliseconds, batch 1, bf16, 1 thread, processor time; errors against f32"
        show("bf16 networks", columns, [_network(name) for name in networks], note)


def _network(name: str) -> list[object]:
    """A row: times of both, relative L2 errors of both against f32, and how far ours is from the evaluator."""
    model = exported.filled(name)
    batch = exported.random_inputs(model, INPUTS)
    given = [{k: np.ascontiguousarray(v[i : i + 1]) for k, v in batch.items()} for i in range(INPUTS)]
    sizes = exported.shapes(model, 1)
    program = isthmus.compile(model, "cpu-bf16@tvm", inputs=sizes, threads=1)
    engine, exact = (bench_bf16.compiled(model, hint, 1) for hint in ("bf16", "f32"))
    wants = [exact(each) for each in given]
    errors = [_error([call(each) for each in given], wants) for call in (program, engine)]
    meant = evaluate(program.graph, given[0])
    calls = {"ours": lambda: program(given[0]), "openvino": lambda: engine(given[0])}
    ours, theirs = (1e3 * each for each in medians(calls, NETWORK_ROUNDS, time.process_time).values())
    return [
        name,
        ours,
        theirs,
        theirs / ours,
        *(f"{each:.1e}" for each in (*errors, bench_bf16.relative_error(program(given[0]), meant))),
    ]


def _error(gots: Sequence[Mapping[str, Array]], wants: Sequence[Mapping[str, Array]]) -> float:
    """Over all inputs at once."""
    got, want = ({k: np.concatenate([each[k] for each in found]) for k in wants[0]} for found in (gots, wants))
    return bench_bf16.relative_error(got, want)


def _kernels() -> None:
    rows: list[list[object]] = []
    for name, (graph, request) in _cases().items():
        title, ours, engine = _times(graph, request)
        rows.append([name, title, f"{ours:.0f}", f"{engine:.0f}", engine / ours])
    mean = geometric_mean([float(str(row[-1])) for row in rows])
    note = f"microseconds, bf16, 1 thread, processor time; geometric mean {mean:.2f}"
    show("bf16 kernels", ["op", "kernel", "ours", "openvino", "openvino / ours"], rows, note)


def _cases() -> dict[str, tuple[Graph, openvino.InferRequest]]:
    sizes = ((512, 3072, 768), (512, 768, 3072), (128, 768, 768))
    products = {f"matmul {m}x{k}x{n}": _product(m, k, n) for m, k, n in sizes}
    images = ((64, 64, 3, 56), (256, 64, 1, 56), (512, 512, 3, 7))
    return products | {f"conv {k}x{k} {c}->{o} @{s}": _convolution(c, o, k, s) for c, o, k, s in images}


def _product(rows: int, inner: int, columns: int) -> tuple[Graph, openvino.InferRequest]:
    from tests.backends.tvm.schedules.running import Draft

    draft = Draft(BF16)
    x, weight = draft.input(rows, inner), draft.const(inner, columns)
    graph = draft.done(draft.b.matmul(x, weight))
    assert weight.array is not None
    given = opset13.parameter([rows, inner], Type.bf16)
    constant = opset13.constant(weight.array.astype(np.float32))
    return graph, _request(opset13.matmul(opset13.convert(given, "f32"), constant, False, False), given)


def _convolution(channels: int, outputs: int, kernel: int, size: int) -> tuple[Graph, openvino.InferRequest]:
    from tests.backends.tvm.schedules.running import Draft

    draft = Draft(BF16)
    around = kernel // 2
    x, weight = draft.input(1, channels, size, size), draft.const(outputs, channels, kernel, kernel)
    pads = ((around, around), (around, around))
    graph = draft.done(draft.b.conv(x, weight, strides=(1, 1), pads=pads, dilations=(1, 1), groups=1))
    assert weight.array is not None
    given = opset13.parameter([1, channels, size, size], Type.bf16)
    constant = opset13.constant(weight.array.astype(np.float32))
    made = opset13.convolution(opset13.convert(given, "f32"), constant, [1, 1], [around] * 2, [around] * 2, [1, 1])
    return graph, _request(made, given)


def _request(node: openvino.Node, given: openvino.Node) -> openvino.InferRequest:
    model = openvino.Model([opset13.convert(node, "bf16")], [given])
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 1}
    return openvino.Core().compile_model(model, "CPU", settings).create_infer_request()


def _times(graph: Graph, request: openvino.InferRequest) -> tuple[str, float, float]:
    """Our kernel's title, and the microseconds of both."""
    import tvm

    from isthmus.backends.tvm.kernels import Group
    from isthmus.backends.tvm.schedules.machine import detect
    from tests.backends.tvm.schedules.running import build, drawn

    [node] = [n for n in graph.nodes if n.op.name != "const"]
    built = build(Group(node), detect(1))
    x = drawn(graph.inputs[0].type, {}, 0)
    known = {graph.inputs[0]: x} | {n.results[0]: n.attrs["data"].array for n in graph.nodes if n.op.name == "const"}
    shape = [int(str(d)) for d in node.results[0].shape]
    result = tvm.runtime.tensor(np.empty([shape[axis] for axis in built.kernel.result], np.uint16))
    arguments = built.tensors(known)
    request.set_input_tensor(openvino.Tensor(x.view(np.uint16), x.shape, Type.bf16))
    calls: dict[str, Callable[[], object]] = {
        "ours": lambda: built.function(*arguments, result),
        "openvino": request.infer,
    }
    times = medians(calls, ROUNDS, time.process_time)
    return built.kernel.title, times["ours"] * 1e6, times["openvino"] * 1e6


if __name__ == "__main__":
    main(sys.argv[1:] or ("kernels", *NETWORKS))
