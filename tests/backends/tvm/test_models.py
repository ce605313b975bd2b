"""Whole networks on TVM against onnxruntime; `bench_tvm_models.py` and `tvm_bf16.py` of the benchmarks take more."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

import isthmus
from tests.support import exported

BOUND = {"fp32": 1e-5, "bf16": 5e-2}
"""Relative L2 error by precision; that of bf16 is what its 8 bits leave after some fifty products."""


@pytest.mark.parametrize(("name", "precision"), [("mobilenet_v3_large", "fp32"), ("llama", "fp32"), ("llama", "bf16")])
def test_networks_agree(name: str, precision: str) -> None:
    model = exported.filled(name)
    data, inputs = model.SerializeToString(), exported.random_inputs(model, 1)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    program = isthmus.compile(data, f"cpu-{precision}@tvm", inputs=exported.shapes(model, 1), threads=2)
    kinds = {v.dtype.name for node in program.graph.walk() for v in node.results}
    assert ("bf16" in kinds) == (precision == "bf16")
    for got, want in zip(program(inputs).values(), session.run(None, inputs), strict=True):
        error = np.linalg.norm(got.astype(np.float64) - want) / np.linalg.norm(want)
        assert got.dtype == want.dtype
        assert error < BOUND[precision]
