"""What a backend refuses is listed, or runs on the reference evaluator in a partitioned program."""

from __future__ import annotations

import pytest

import isthmus
from isthmus.ir.errors import UnsupportedByBackend
from isthmus.ir.graph import Node
from isthmus.passes.numerics import relative_error, seeded_inputs
from isthmus.passes.partition import partition

MIXED = """
graph @mixed(%x: f32[N, 4], %y: f32[N, 4]) {
  %w = const f32[4, 4] [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2]
  %a: f32[N, 4] = matmul(%x, %w)
  %b: f32[N, 4] = atan2(%a, %y)               @onnx("angle/one")
  %c: f32[2*N, 4] = concat(%a, %b) {axis = 0}
  %d: f32[2*N, 4] = atan2(%c, %c)             @onnx("angle/two")
  %e: f32[2*N, 2, 2] = reshape(%d) {shape = [2*N, 2, 2]}
  %f: f32[2*N, 2, 2] = relu(%e)
  return %f, %a, %w
}
"""


def test_all_refusals_are_listed_at_once() -> None:
    with pytest.raises(UnsupportedByBackend) as caught:
        isthmus.compile(isthmus.parse(MIXED), target="cpu-fp32")
    assert "angle/one" in str(caught.value)
    assert "angle/two" in str(caught.value)


def test_the_rest_runs_on_the_engine() -> None:
    graph = isthmus.parse(MIXED)
    program = isthmus.compile(graph, target="cpu-fp32", fallback="reference")
    placement = program.report.placement
    assert placement is not None
    assert [backend for backend, _ in placement.parts] == ["openvino", "reference", "openvino", "reference", "openvino"]
    assert "onnx:angle/two" in str(program.report)
    inputs = seeded_inputs(graph, 0, {"N": 3})
    wanted = isthmus.evaluate(graph, inputs)
    for name, array in program(inputs).items():
        assert relative_error(array, wanted[name]) < 1e-6


def test_parts_are_convex_and_ordered() -> None:
    """Every part reads only what earlier parts, or the caller, have made."""
    graph = isthmus.parse(MIXED)
    parts = partition(graph, lambda node: "slow" if node.op.name == "atan2" else "fast")
    made = set(graph.inputs)
    for part in parts:
        assert set(part.inputs) <= made
        made |= set(part.outputs)
    assert made >= {v for v in graph.outputs if v.constant is None}


def test_one_color_is_one_part() -> None:
    graph = isthmus.parse(MIXED)

    def same(node: Node) -> str:
        return "fast"

    (part,) = partition(graph, same)
    assert part.graph.op_count() == graph.op_count()
