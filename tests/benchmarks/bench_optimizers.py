"""Import and optimize against onnxslim, both from the serialized model: seconds, and nodes left."""

from __future__ import annotations

import onnx

import isthmus
from tests.benchmarks.measure import geometric_mean, medians, show
from tests.support import exported

ROUNDS = 3


def main() -> None:
    """Measure the exported networks and print."""
    import onnxslim

    rows: list[list[object]] = []
    ratios = []
    for name in exported.NAMES:
        data = exported.filled(name).SerializeToString()
        left: dict[str, int] = {}

        def ours(data: bytes = data, left: dict[str, int] = left) -> None:
            left["isthmus"] = isthmus.optimize(isthmus.import_model(data)).op_count()

        def theirs(data: bytes = data, left: dict[str, int] = left) -> None:
            left["onnxslim"] = len(onnxslim.slim(onnx.load_from_string(data)).graph.node)

        times = medians({"isthmus": ours, "onnxslim": theirs}, ROUNDS)
        ratios.append(times["onnxslim"] / times["isthmus"])
        rows.append([name, times["isthmus"], times["onnxslim"], ratios[-1], left["isthmus"], left["onnxslim"]])
    columns = ["model", "isthmus s", "onnxslim s", "times as fast", "nodes left", "onnxslim's"]
    show("import and optimize", columns, rows, f"geometric mean: {geometric_mean(ratios):.2f} times as fast")


if __name__ == "__main__":
    main()
