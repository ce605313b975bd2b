"""Next to the outputs a type of few digits is kept out; f16 has enough of them."""

from __future__ import annotations

import numpy as np

import isthmus
from isthmus.ir.builder import Builder
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import F32, TensorType
from isthmus.passes.precision.exposed import BARE, LAST, exposed


def linear(b: Builder, x: Value, outputs: int, name: str) -> Value:
    weight = np.random.default_rng(outputs).standard_normal((int(str(x.shape[-1])), outputs)).astype(np.float32)
    return b.linear(x, b.const(weight / 16), name=name)


def residual(outputs: int) -> Graph:
    """A residual stream of two blocks, then a classifier with so many outputs."""
    graph = Graph()
    b = Builder(graph)
    stream = graph.add_input(TensorType(F32, (8, 256)), "x")
    for i in range(2):
        norm = b.layer_norm(stream, b.const(np.ones(256, np.float32)), axis=1, epsilon=1e-5, name=f"norm{i}")
        inner = b.relu(linear(b, norm, 512, f"up{i}"), name=f"relu{i}")
        stream = b.add(stream, linear(b, inner, 256, f"down{i}"), name=f"sum{i}")
    graph.set_outputs([stream, linear(b, stream, outputs, "logits")], ["hidden", "logits"])
    return graph


def reasons(graph: Graph) -> dict[str, str]:
    return {node.results[0].name: why for node, why in exposed(graph).items()}


def low(graph: Graph, dtype: str) -> set[str]:
    lowered = isthmus.optimize(graph, f"lower-precision{{dtype={dtype}}}")
    return {n.results[0].name for n in lowered.nodes if n.op.name != "cast" and n.results[0].dtype.name == dtype} - {""}


def test_the_residual_stream_and_a_small_last_product_are_exposed() -> None:
    found = reasons(residual(outputs=16))
    assert found == {"sum1": BARE, "sum0": BARE, "logits": LAST}


def test_a_large_last_product_is_worth_lowering() -> None:
    assert "logits" not in reasons(residual(outputs=4096))


def test_bf16_keeps_norms_and_what_is_exposed_in_f32() -> None:
    assert low(residual(outputs=16), "bf16") == {"up0", "relu0", "down0", "up1", "relu1", "down1"}


def test_f16_does_not() -> None:
    assert {"norm1", "sum0", "logits"} <= low(residual(outputs=16), "f16")
