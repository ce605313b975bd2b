"""Where casts stand, what stays high and why, and that a lowered graph stays a well-formed one."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.ir import ops, parse, verify
from isthmus.ir.compare import difference
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from isthmus.ir.op import Op
from isthmus.ir.precision import Policy
from isthmus.ir.types import F16, F32
from isthmus.passes.decompose import Decompose
from isthmus.passes.manager import PassManager
from isthmus.passes.numerics import relative_error, seeded_inputs
from isthmus.passes.precision.borders import carry_out
from isthmus.passes.precision.decisions import PrecisionSummary
from isthmus.passes.precision.lower import LowerPrecision
from isthmus.passes.precision.narrow import NARROW
from isthmus.passes.precision.plan import GIVES_HIGH, TAKES_HIGH, Plan
from isthmus.passes.precision.profile import Sample
from tests.support.opcases import cases_for


def lower(graph: Graph, each: LowerPrecision | None = None, samples: list[Sample] | None = None) -> PrecisionSummary:
    [record] = PassManager([each or LowerPrecision()], check="full", samples=samples or ()).run(graph)
    assert record.precision is not None
    return record.precision


def reasons(summary: PrecisionSummary) -> dict[str, str]:
    return {each.name: each.reason for each in summary.kept}


def test_casts_stand_at_borders_only_once_a_value() -> None:
    graph = parse(
        """
        graph @two(%x: f32[4, 32], %w: f32[32, 32]) {
          %b = const f32[1, 1] [0.5]
          %h: f32[4, 32] = matmul(%x, %w)
          %r: f32[4, 32] = relu(%h)
          %s: f32[4, 32] = add(%r, %b)
          %left: f32[4, 32] = matmul(%s, %w)
          %right: f32[4, 32] = matmul(%x, %w)
          %y: f32[4, 32] = sub(%left, %right)
          return y: %y, raw: %h
        }
        """
    )
    summary = lower(graph)
    after = parse(
        """
        graph @two(%x: f32[4, 32], %w: f32[32, 32]) {
          %w_f16: f16[32, 32] = cast(%w) {dtype = f16}
          %x_f16: f16[4, 32] = cast(%x) {dtype = f16}
          %b = const f16[1, 1] [0.5]
          %h: f16[4, 32] = matmul(%x_f16, %w_f16)
          %h_f32: f32[4, 32] = cast(%h) {dtype = f32}
          %r: f16[4, 32] = relu(%h)
          %s: f16[4, 32] = add(%r, %b)
          %left: f16[4, 32] = matmul(%s, %w_f16)
          %left_f32: f32[4, 32] = cast(%left) {dtype = f32}
          %right: f16[4, 32] = matmul(%x_f16, %w_f16)
          %right_f32: f32[4, 32] = cast(%right) {dtype = f32}
          %y: f32[4, 32] = sub(%left_f32, %right_f32)
          return y: %y, raw: %h_f32
        }
        """
    )
    assert difference(graph, after) is None, f"{graph}"
    assert (summary.lowered, summary.casts, reasons(summary)) == (5, 5, {"y": GIVES_HIGH})


def test_no_low_island_between_high_nodes() -> None:
    graph = parse(
        """
        graph @island(%x: f32[4, 32]) {
          %a: f32[4, 32] = exp(%x)
          %b: f32[4, 32] = neg(%a)
          %y: f32[4, 32] = exp(%b)
          return y: %y
        }
        """
    )
    summary = lower(graph)
    assert summary.lowered == summary.casts == 0
    assert reasons(summary)["b"] == TAKES_HIGH


def test_a_second_run_changes_nothing() -> None:
    graph = parse(
        """
        graph @again(%x: f32[4, 32], %w: f32[32, 32]) {
          %h: f32[4, 32] = matmul(%x, %w)
          %e: f32[4, 32] = exp(%h)
          %y: f32[4, 32] = matmul(%e, %w)
          return y: %y
        }
        """
    )
    lower(graph)
    text = str(graph)
    assert lower(graph).lowered == 0
    assert str(graph) == text


def test_angles_stay_high_through_an_outer_product() -> None:
    """Rotary positions: f16 tells 2049 from 2048 no more."""
    graph = parse(
        """
        graph @rotary(%q: f32[64, 32], %w: f32[32, 32], %position: i64[64, 1], %rate: f32[1, 32]) {
          %p: f32[64, 1] = cast(%position) {dtype = f32}
          %angle: f32[64, 32] = matmul(%p, %rate)
          %turn: f32[64, 32] = cos(%angle)
          %h: f32[64, 32] = matmul(%q, %w)
          %turned: f32[64, 32] = mul(%h, %turn)
          %y: f32[64, 32] = matmul(%turned, %w)
          return y: %y
        }
        """
    )
    kept = reasons(lower(graph))
    assert set(kept) == {"p", "angle", "turn"}
    assert kept["angle"] == TAKES_HIGH


def test_calibration_tells_what_leaves_the_range() -> None:
    graph = parse(
        """
        graph @far(%x: f32[N, 32], %w: f32[32, 32]) where N: 1..8 {
          %h: f32[N, 32] = matmul(%x, %w)
          %r: f32[N, 32] = relu(%h)
          %y: f32[N, 32] = matmul(%r, %w)
          return y: %y
        }
        """
    )
    near, far = np.ones((2, 32), np.float32), np.full((2, 32), 3000, np.float32)
    w = np.eye(32, dtype=np.float32)
    assert lower(graph.copy(), samples=[{"x": near, "w": w}]).kept == ()
    summary = lower(graph.copy(), samples=[{"x": near, "w": w}, {"x": far * 20, "w": w}])
    assert "reaches 6e+04 as measured, f16 ends at 65504" in reasons(summary)["h"]


def test_the_search_keeps_what_measures_badly() -> None:
    """Nothing in the policies tells that a difference of near equals is all rounding."""
    graph = parse(
        """
        graph @cancel(%x: f32[8, 32], %w: f32[32, 32]) {
          %far = const f32[] 3000.0
          %h: f32[8, 32] = matmul(%x, %w)
          %lifted: f32[8, 32] = add(%h, %far)
          %back: f32[8, 32] = sub(%lifted, %far)
          %y: f32[8, 32] = matmul(%back, %w)
          return y: %y
        }
        """
    )
    inputs = seeded_inputs(graph, 3)
    wanted = evaluate(graph, inputs)["y"]
    blind, searched = graph.copy(), graph.copy()
    lower(blind)
    summary = lower(searched, LowerPrecision(seeded=1))
    assert relative_error(evaluate(blind, inputs)["y"], wanted) > 5e-2
    assert relative_error(evaluate(searched, inputs)["y"], wanted) < 5e-3
    assert any("as measured" in reason for reason in reasons(summary).values())
    assert summary.accuracy is not None
    assert summary.accuracy.error < 5e-3


def test_regions_keep_their_types_and_lower_inside() -> None:
    graph = parse(
        """
        graph @branch(%c: bool[], %x: f32[4, 32], %w: f32[32, 32]) {
          %y: f32[4, 32] = if(%c, %x, %w)
            then (%a: f32[4, 32], %b: f32[32, 32]) {
              %h: f32[4, 32] = matmul(%a, %b)
              %r: f32[4, 32] = matmul(%h, %b)
              return %r
            }
            else (%a: f32[4, 32], %b: f32[32, 32]) {
              return %a
            }
          return y: %y
        }
        """
    )
    summary = lower(graph, LowerPrecision(seeded=2))
    assert summary.lowered == 2
    assert reasons(summary) == {"y": "its regions keep the types they take and give"}


def test_keep_names_ops_and_results() -> None:
    graph = parse(
        """
        graph @kept(%x: f32[4, 32], %w: f32[32, 32]) {
          %h: f32[4, 32] = matmul(%x, %w)
          %r: f32[4, 32] = relu(%h)
          %y: f32[4, 32] = matmul(%r, %w)
          return y: %y
        }
        """
    )
    assert lower(graph.copy(), LowerPrecision(keep=("matmul",))).lowered == 0
    assert reasons(lower(graph.copy(), LowerPrecision(keep=("h",)))) == {"h": "asked for by keep=", "r": TAKES_HIGH}


@pytest.mark.parametrize("op", [op for op in ops.TABLE.values() if op.precision.policy is not Policy.HIGH], ids=str)
def test_every_op_that_may_go_low_is_well_typed_there(op: Op) -> None:
    lowered = 0
    for case in cases_for(op)[:4]:
        graph = case.graph()
        node = next(node for node in graph.nodes if node.op is op)
        if op.name != "const" and any(v.dtype == F32 for v in (*node.inputs, *node.results)):
            carry_out(graph, Plan(NARROW["bf16"], {node}))
            verify(graph)
            lowered += all(r.dtype != F32 for r in node.results)
    assert lowered or not any(found.dtype == F32.numpy for case in cases_for(op)[:4] for found in case.inputs)


def test_what_is_wide_inside_is_expanded_wide() -> None:
    graph = parse(
        """
        graph @norm(%x: f16[4, 32]) {
          %y: f16[4, 32] = rms_norm(%x) {axis = 1, epsilon = 1e-05}
          return y: %y
        }
        """
    )
    assert ops.find("rms_norm").precision.policy is Policy.WIDE
    expanded = graph.copy()
    PassManager([Decompose()], check="full").run(expanded)
    x = (np.random.default_rng(0).standard_normal((4, 32)) * 1000).astype(np.float16)
    wanted, got = evaluate(graph, {"x": x})["y"], evaluate(expanded, {"x": x})["y"]
    assert got.dtype == F16.numpy
    np.testing.assert_array_equal(got, wanted)
