"""ONNX's reference evaluator on one node: a second opinion on layers that NvInfer.h likens to ONNX ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper
from onnx.reference import ReferenceEvaluator

from tests.support.tensorrt.element_types import Array

OPSET = 23


def onnx_node(op: str, *inputs: Array | None, outputs: int = 1, **attributes: Any) -> Sequence[Array]:
    """The outputs of an ONNX node."""
    names = ["" if array is None else f"x{i}" for i, array in enumerate(inputs)]
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, **attributes)
    given = [(name, array) for name, array in zip(names, inputs, strict=True) if array is not None]
    graph = helper.make_graph(
        [node],
        "node",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in given],
        [helper.make_tensor_value_info(n, 0, None) for n in results],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=11)
    return [np.asarray(y) for y in ReferenceEvaluator(model).run(None, dict(given))]
