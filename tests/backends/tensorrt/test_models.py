"""Whole networks for TensorRT: built ahead of time, read back, and held against the evaluator and the report.

Two of the ten exported networks; `python -m tests.benchmarks tensorrt` measures all of them the same way.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import isthmus
from isthmus.backends.tensorrt.network import Network
from isthmus.compiler.program import Program
from isthmus.compiler.report import Report
from isthmus.ir import ops
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Node
from isthmus.ir.precision import Policy
from isthmus.ir.types import F32
from isthmus.passes.numerics import relative_error
from tests.support import exported
from tests.support.tensorrt.bench import BACKEND, NETWORK_TOLERANCE, Bench
from tests.support.tensorrt.readback import run_network, tensors

NAMES = ("mobilenet_v3_large", "llama")


@cache
def program(name: str, precision: str) -> Program:
    model = exported.filled(name)
    return isthmus.compile(model, f"cuda-sm89-{precision}", inputs=exported.shapes(model, "N:1..4"))


@cache
def bench() -> Bench:
    return Bench()


def written(graph: Graph) -> tuple[Graph, Network]:
    legal = graph.copy()
    BACKEND.legalize(legal)
    return legal, bench().write(legal)


@pytest.mark.parametrize("precision", NETWORK_TOLERANCE)
@pytest.mark.parametrize("name", NAMES)
def test_a_network_that_was_built_means_what_its_graph_means(name: str, precision: str) -> None:
    compiled = program(name, precision)
    assert compiled.report.engine["engine"].endswith("for sm89")
    legal, n = written(compiled.graph)
    given = exported.random_inputs(exported.filled(name), 2)
    arrays = [given[value.name] for value in legal.inputs]
    wants = evaluate(compiled.graph, arrays).values()
    for got, want in zip(run_network(n.definition, arrays), wants, strict=True):
        assert relative_error(got, want) < NETWORK_TOLERANCE[precision]


@pytest.mark.parametrize("name", NAMES)
def test_an_fp16_network_is_f32_only_where_the_report_says_so(name: str) -> None:
    report = program(name, "fp16").report
    legal, n = written(program(name, "fp16").graph)
    assert not [node for node in nodes_in_f32(n) if not _is_told(node, report)]
    given_or_returned = [t for t in tensors(n.definition) if t.layer is None and t.dtype == np.float32]
    assert len(given_or_returned) == sum(value.dtype == F32 for value in legal.inputs)


def nodes_in_f32(n: Network) -> list[Node]:
    """The nodes whose layers make f32, as reading the network back tells."""
    stands_for = {n.definition.get_layer(i).name: node for i, node in enumerate(n.names.nodes)}
    made = [t.layer.name for t in tensors(n.definition) if t.layer is not None and t.dtype == np.float32]
    return [node for name in made if (node := stands_for[name]) is not None]


def _is_told(node: Node, report: Report) -> bool:
    """Whether the report says why a node makes f32: it was kept, bounds a mask, is what a wide op is made of, or hands
    such a node its operands, or an output its f32.
    """
    assert report.precision is not None
    if node.op.name in ("const", "cast"):
        users = [use.user for result in node.results for use in result.uses]
        return all(isinstance(user, Graph) or user.op.name == "cast" or _is_told(user, report) for user in users)
    if any(_composite(node) == op for _, op in _entries(report)):
        kept = {(decision.op, decision.name) for decision in report.precision.kept}
        is_mask = node.op.name == "maximum" and bool(report.precision.masks)
        is_wide = ops.TABLE[_composite(node)].precision.policy is Policy.WIDE
        return is_mask or is_wide or (node.op.name, node.results[0].name) in kept
    return False


def _composite(node: Node) -> str:
    return next((step.removeprefix("decompose ") for step in node.origin if "decompose" in step), node.op.name)


def _entries(report: Report) -> list[tuple[int, str]]:
    entries = [entry.split(" x ") for entry in report.engine["computed in f32"].split(", ") if " x " in entry]
    return [(int(count), op) for count, op in entries]
