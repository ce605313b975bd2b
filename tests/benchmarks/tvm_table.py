"""The kernels of the TVM backend as they were last measured, for documentation: no engine is needed to read them."""

from __future__ import annotations

import json
from pathlib import Path

FILE = Path(__file__).with_name("tvm_kernels.json")
"""What `python -m tests.benchmarks.tvm_kernels --save` writes."""

COLUMNS = ("op", "kernel", "covers", "onnxruntime / ours", "OpenVINO / ours")


def rows() -> list[tuple[str, ...]]:
    """A row for each measured kernel, in the order of `COLUMNS`."""
    found = json.loads(FILE.read_text("utf-8"))
    return [
        (row["op"], row["kernel"], row["covers"], f"{row['onnxruntime']:.2f}", f"{row['openvino']:.2f}")
        for title in ("kernels", "further kernels")
        for row in found[title]
    ]


def conditions() -> str:
    """How they were measured."""
    return str(json.loads(FILE.read_text("utf-8"))["how"])
