"""Attention of opset 23: one op of the IR where it can be, and what ONNX says in any case."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

import isthmus
from isthmus.ir.errors import MalformedModel
from tests.compiler.importers.onnx.build import imported, model, run

Arrays = dict[str, NDArray[Any]]


def heads(count: int, length: int, size: int, seed: int) -> NDArray[Any]:
    return np.random.default_rng(seed).standard_normal((2, count, length, size)).astype(np.float32)


QKV: Arrays = {"q": heads(4, 5, 8, 0), "k": heads(4, 7, 8, 1), "v": heads(4, 7, 6, 2)}
SHARED: Arrays = {"q": heads(4, 5, 8, 0), "k": heads(2, 7, 8, 1), "v": heads(2, 7, 6, 2)}
FLAT: Arrays = {name: heads(1, 5, 24, seed)[:, 0] for seed, name in enumerate("qkv")}
PAST: Arrays = {"past_k": heads(4, 3, 8, 3), "past_v": heads(4, 3, 6, 4)}
HIDING = np.random.default_rng(5).random((2, 1, 5, 7)) < 0.6
HIDING[0, 0, 2] = False


@pytest.mark.parametrize(
    ("given", "attributes"),
    [
        (QKV, {}),
        (QKV, {"scale": 0.3}),
        (QKV, {"is_causal": 1}),
        (SHARED, {}),
        (FLAT, {"q_num_heads": 4, "kv_num_heads": 4}),
        (QKV | {"mask": HIDING}, {}),
        (QKV | {"mask": HIDING}, {"is_causal": 1}),
        (QKV | {"mask": np.where(HIDING, np.float32(0.5), np.float32(-np.inf))}, {}),
        (QKV | {"mask": heads(4, 5, 10, 6)} | PAST, {}),
        (QKV | PAST, {"is_causal": 1}),
        (QKV, {"softcap": 2.0}),
    ],
    ids=str,
)
def test_attention_is_what_onnx_says(given: Arrays, attributes: dict[str, Any]) -> None:
    names = ["q", "k", "v", "mask", "past_k", "past_v"]
    operands = [name if name in given else "" for name in names]
    outputs = ["y", "present_k", "present_v"] if "past_k" in given else ["y"]
    node = helper.make_node("Attention", operands, outputs, **attributes)
    source = model([node], {name: array.shape for name, array in given.items()}, outputs, opset=24, ir_version=11)
    for value in source.graph.input:
        if given[value.name].dtype == np.bool_:
            value.type.tensor_type.elem_type = TensorProto.BOOL
    wants = ReferenceEvaluator(source).run(None, given)
    ordered = [given[value.name] for value in source.graph.input]
    for got, want in zip(run(source, *ordered), wants, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_plain_attention_is_one_node_at_any_length() -> None:
    node = helper.make_node("Attention", ["q", "k", "v"], ["y"])
    sizes = {"q": ("N", 4, "L", 8), "k": ("N", 4, "S", 8), "v": ("N", 4, "S", 8)}
    graph = isthmus.optimize(imported(model([node], sizes, ["y"], opset=23, ir_version=11)))
    assert Counter(n.op.name for n in graph.nodes) == {"attention": 1}


def test_flat_operands_need_their_numbers_of_heads() -> None:
    node = helper.make_node("Attention", ["q", "k", "v"], ["y"])
    sizes = {"q": (2, 5, 24), "k": (2, 5, 24), "v": (2, 5, 24)}
    with pytest.raises(MalformedModel, match="needs the numbers of heads"):
        imported(model([node], sizes, ["y"], opset=23, ir_version=11))
