"""TensorFlow models: agreement with TensorFlow's outputs on evaluator and engine, and import against load and freeze.

The second table needs TensorFlow: in this interpreter, or in the one that the variable TENSORFLOW_PYTHON names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import isthmus
from isthmus.compiler.importers.tensorflow import import_tensorflow
from isthmus.ir.errors import IsthmusError
from isthmus.passes.numerics import relative_error
from tests.benchmarks.measure import seconds, show
from tests.support.tensorflow_models import DRAWN, NAMES, calls, model

TARGETS = ("reference", "cpu-fp32")
LIMIT = 1e-5
ROUNDS = 3
_LOAD_AND_FREEZE = """
import sys, time
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
assert tf.config.list_physical_devices("CPU")
start = time.perf_counter()
loaded = tf.saved_model.load(sys.argv[1])
convert_variables_to_constants_v2(loaded.signatures["serve"])
print(time.perf_counter() - start)
"""
_IMPORT = """
import sys, time
import isthmus
from isthmus.compiler.importers.tensorflow import import_tensorflow
start = time.perf_counter()
import_tensorflow(sys.argv[1])
print(time.perf_counter() - start)
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch:
        rows = [_agreement(name, Path(scratch)) for name in NAMES]
        agreeing = [sum(isinstance(x := row[i], float) and x < LIMIT for row in rows) for i in (4, 5)]
        note = (
            f"within {LIMIT}: {agreeing[0]} of {len(rows)} on the evaluator, {agreeing[1]} on the engine, no fallback"
        )
        show("TensorFlow models", ["model", "import s", "nodes", "transposes", *TARGETS], rows, note)
        python = _python_with_tensorflow()
        if python is None:
            print("TensorFlow is not installed: name a Python that has it in TENSORFLOW_PYTHON")
            return
        races = [_race(name, model(name, Path(scratch)), python) for name in DRAWN]
        show("Import against TensorFlow's load and freeze", ["model", "isthmus s", "TensorFlow s", "ratio"], races)


def _agreement(name: str, scratch: Path) -> list[object]:
    """Seconds to import all signatures, nodes and transposes left after optimize, the worst error for each target."""
    path = model(name, scratch)
    asked = list(calls(name))
    graphs: dict[str | None, isthmus.Graph] = {}

    def read() -> None:
        graphs.update({s: import_tensorflow(path, signature=s) for s in {c.signature for c in asked}})

    taken = seconds(read)
    better = [isthmus.optimize(each) for each in graphs.values()]
    transposes = sum(node.op.name == "transpose" for graph in better for node in graph.walk())
    return [
        name,
        taken,
        sum(graph.op_count() for graph in better),
        transposes,
        *(_worst(graphs, name, target) for target in TARGETS),
    ]


def _worst(graphs: Mapping[str | None, isthmus.Graph], name: str, target: str) -> float | str:
    """The largest relative error; for models of single ops, of those the target takes."""
    errors, refused = [], 0
    for signature, graph in graphs.items():
        try:
            program = isthmus.compile(graph, target)
        except IsthmusError:
            refused += 1
            continue
        for call in (c for c in calls(name) if c.signature == signature):
            found = program(call.inputs)
            errors += [relative_error(found[key], wanted) for key, wanted in call.outputs.items()]
    if refused:
        return f"{refused} refused" + (f", {max(errors):.1e}" if errors else "")
    return max(errors)


def _race(name: str, path: Path, python: str) -> list[object]:
    """Medians of fresh processes in turns; what it takes to import either package is not counted."""
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(ROUNDS):
        times["ours"].append(_timed(sys.executable, _IMPORT, path))
        times["theirs"].append(_timed(python, _LOAD_AND_FREEZE, path))
    ours, theirs = (float(np.median(times[key])) for key in ("ours", "theirs"))
    return [name, ours, theirs, theirs / ours]


def _timed(python: str, code: str, path: Path) -> float:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [python, "-c", code, str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(found.stdout.split()[-1])


def _python_with_tensorflow() -> str | None:
    if named := os.environ.get("TENSORFLOW_PYTHON"):
        return named
    return sys.executable if find_spec("tensorflow") else None


if __name__ == "__main__":
    main()
