"""Synthetic ONNX models of any size: a residual chain of cheap ops, as generated networks have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from isthmus.ir.types import Array

WIDTH = 8
_BLOCK = ("Add", "Relu", "Mul", "Reshape", "Add", "Sigmoid", "Sub", "Transpose", "Add", "Tanh")


def model_of(nodes: int) -> onnx.ModelProto:
    """About `nodes` nodes: blocks of ten, each with constants of its own and a residual sum."""
    made: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    rng = np.random.default_rng(0)

    def constant(array: Array) -> str:
        name = f"c{len(constants)}"
        constants.append(numpy_helper.from_array(array, name))
        return name

    value = "x"
    for block in range(nodes // len(_BLOCK)):
        entry = value
        for i, op in enumerate(_BLOCK):
            operands = [value]
            attributes: dict[str, Any] = {}
            if op in ("Mul", "Sub") or i == 0:
                operands.append(constant(rng.standard_normal(WIDTH).astype(np.float32)))
            elif op == "Add":
                operands.append(entry)
            elif op == "Reshape":
                operands.append(constant(np.array([WIDTH, -1] if block % 2 else [-1, WIDTH], np.int64)))
            elif op == "Transpose":
                attributes = {"perm": [1, 0]}
            value = f"v{block}_{i}"
            made.append(helper.make_node(op, operands, [value], name=f"block{block}/{op}{i}", **attributes))
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [WIDTH, WIDTH]) for n in ("x", value)]
    graph = helper.make_graph(made, "large", info[:1], info[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
