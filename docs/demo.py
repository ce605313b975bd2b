"""`make demo`: a real network from ONNX file to numbers, step by step.

Takes the ResNet-50 topology from the onnx wheel's test data with seeded He-initialised weights, compiles it for the
CPU, and compares numbers and latency with onnxruntime.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import isthmus
from isthmus.passes.numerics import relative_error
from tests.benchmarks.measure import BURST, medians
from tests.support import light

THREADS = 2
ROUNDS = 15
IR_LINES = 14


def main() -> None:
    """Run the demo."""
    console = Console(width=120)
    model = light.filled("resnet50")
    inputs = light.random_inputs(model)
    console.rule("compile ResNet-50 for cpu-fp32")
    program = isthmus.compile(model, target="cpu-fp32", threads=THREADS)
    console.print(*program.report.__rich__(), sep="\n")

    console.rule("a piece of the optimized IR (print(program.graph))")
    print("\n".join(line[:118] for line in ir_excerpt(str(program.graph))))

    console.rule("agreement with onnxruntime, on a random image")
    session = onnxruntime.InferenceSession(model.SerializeToString(), session_options())
    ours, theirs = program(inputs), session.run(None, inputs)
    for (name, array), other in zip(ours.items(), theirs, strict=True):
        print(f"{name}: {array.dtype}{list(array.shape)}, relative L2 error {relative_error(array, other):.1e}")

    console.rule(f"latency, {THREADS} threads, median of {ROUNDS * BURST} calls in turns")
    calls = {"isthmus": lambda: program(inputs), "onnxruntime": lambda: session.run(None, inputs)}
    print(", ".join(f"{name} {taken * 1e3:.1f} ms" for name, taken in medians(calls, ROUNDS).items()))


def ir_excerpt(text: str) -> list[str]:
    """The head of the graph and its first computing lines, without the constants between them."""
    lines = [line for line in text.splitlines() if " = const " not in line]
    return [*lines[:IR_LINES], "  ..."]


def session_options() -> onnxruntime.SessionOptions:
    """onnxruntime with the same number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return options


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
