"""What joins a concatenation, a product's operands and a batch_norm: few kernels, and still the evaluator's numbers."""

from __future__ import annotations

import numpy as np
import pytest

import isthmus
from isthmus.backends.base import BuildOptions
from isthmus.backends.tvm import TVMBackend
from isthmus.backends.tvm.function import define
from isthmus.backends.tvm.module import Module
from isthmus.backends.tvm.schedules.machine import detect
from isthmus.backends.tvm.schedules.table import generator_for
from isthmus.backends.tvm.write import write_nodes
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from tests.backends.tvm.agreement import disagreement

BACKEND = TVMBackend(is_isolated=False, is_optimized=False)

GRAPHS = {
    "a concat between elementwise ops": """
        graph @g(%x: f32[64, 17], %y: f32[64, 40], %v: f32[57]) {
          %a: f32[64, 17] = tanh(%x)
          %c: f32[64, 57] = concat(%a, %y) {axis = 1}
          %m: f32[64, 57] = mul(%c, %v)
          %r: f32[64, 57] = relu(%m)
          return %r
        }
        """,
    "a roll": """
        graph @g(%x: f32[1, 9, 8, 20]) {
          %a: f32[1, 4, 8, 20], %b: f32[1, 5, 8, 20] = split(%x) {axis = 1, sizes = [4, 5]}
          %r: f32[1, 9, 8, 20] = concat(%b, %a) {axis = 1}
          return %r
        }
        """,
    "operands that lie across each other, before an axis of one": """
        graph @g(%x: f32[4, 1, 1], %y: f32[1, 5, 1]) {
          %r: f32[4, 5, 1] = add(%x, %y)
          return %r
        }
        """,
    "sizes that vary": """
        graph @g(%x: f32[N, K], %y: f32[N, 3]) where N: 0..99, K: 0..99 {
          %c: f32[N, K + 3] = concat(%x, %y) {axis = 1}
          %r: f32[N, K + 3] = relu(%c)
          return %r
        }
        """,
    "truth values": """
        graph @g(%x: f32[40, 5], %y: bool[40, 30]) {
          %z = const f32[] 0.0
          %b: bool[40, 5] = greater(%x, %z)
          %c: bool[40, 35] = concat(%b, %y) {axis = 1}
          %r: bool[40, 35] = logical_not(%c)
          return %r
        }
        """,
    "heads of a product": """
        graph @g(%q: f32[2, 5, 3, 4], %k: f32[2, 6, 3, 4]) {
          %a: f32[2, 3, 5, 4] = transpose(%q) {perm = [0, 2, 1, 3]}
          %b: f32[2, 3, 4, 6] = transpose(%k) {perm = [0, 2, 3, 1]}
          %r: f32[2, 3, 5, 6] = matmul(%a, %b)
          return %r
        }
        """,
    "a batch_norm of constants": """
        graph @g(%x: f32[1, 2, 9, 9], %y: f32[1, 2, 9, 9]) {
          %s = const f32[4] [0.5, 1.5, -2.0, 1.0]
          %m = const f32[4] [0.1, 0.2, 0.3, -4.0]
          %v = const f32[4] [1.0, 2.0, 0.25, 4.0]
          %c: f32[1, 4, 9, 9] = concat(%x, %y) {axis = 1}
          %n: f32[1, 4, 9, 9] = batch_norm(%c, %s, %m, %m, %v)
          %r: f32[1, 4, 9, 9] = relu(%n)
          return %r
        }
        """,
}


@pytest.mark.parametrize("name", GRAPHS)
def test_what_joins_is_one_kernel_and_agrees(name: str) -> None:
    graph = isthmus.parse(GRAPHS[name])
    rng = np.random.default_rng(3)
    given = [
        np.asarray(rng.normal(size=[d if isinstance(d, int) else 37 for d in v.type.shape])).astype(v.dtype.numpy)
        for v in graph.inputs
    ]
    wants = list(evaluate(graph, given).values())
    BACKEND.legalize(graph)
    gots = BACKEND.build(graph, BuildOptions(threads=2))(given)
    assert not [found for pair in zip(gots, wants, strict=True) if (found := disagreement(*pair))]
    assert written(graph) == 1


def written(graph: Graph) -> int:
    """How many times the graph calls a kernel."""
    module = Module(detect(2), generator_for)
    define(module, write_nodes, graph, "main")
    text: str = module.finish()["main"].script()
    return text.count("call_tir(")
