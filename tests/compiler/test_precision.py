"""Precision as `compile` promises it: what stays in f32 and how far the numbers moved stands in the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import isthmus
from isthmus.compiler.accuracy import measure
from isthmus.compiler.cli import app
from isthmus.compiler.importers.dispatch import import_model
from isthmus.ir import parse
from isthmus.ir.errors import AccuracyError
from isthmus.passes import pipelines
from isthmus.passes.manager import PassManager
from isthmus.passes.numerics import seeded_inputs
from isthmus.passes.precision.lower import LowerPrecision
from isthmus.passes.precision.profile import Sample
from isthmus.passes.spec import parse_pipeline, print_pipeline
from tests.support import exported

TEXT = """graph @net(%x: f32[N, 32], %w: f32[32, 32]) where N: 1..8 {
  %h: f32[N, 32] = matmul(%x, %w) @onnx("fc")
  %t: f32[N, 32] = tanh(%h)
  %e: f32[N, 32] = exp(%t) @onnx("body/Exp")
  %y: f32[N, 32] = matmul(%e, %w) @onnx("head")
  return y: %y
}
"""
LOWER = "lower-precision{seeded=1}"


def test_the_report_tells_what_stays_and_the_error() -> None:
    program = isthmus.compile(parse(TEXT), "reference", passes=[LOWER], accuracy=1e-2)
    summary = program.report.precision
    assert summary is not None
    assert [(kept.name, kept.loc) for kept in summary.kept] == [("e", "onnx:body/Exp"), ("t", "")]
    assert program.report.accuracy is not None
    assert 0 < program.report.accuracy.error < 1e-2
    text = str(program.report)
    assert "2 nodes in f16, 2 kept in f32" in text
    assert "exp: exponentials magnify" in text
    facts = json.loads(json.dumps(program.report.as_dict()))
    assert facts["precision"]["kept"][0]["loc"] == "onnx:body/Exp"
    assert facts["accuracy"]["outputs"]["y"] == program.report.accuracy.error


def test_a_broken_bound_names_the_layers() -> None:
    with pytest.raises(AccuracyError) as error:
        isthmus.compile(parse(TEXT), "reference", passes=[LOWER], accuracy=1e-7)
    assert "exceeds 1e-07: y " in str(error.value)
    assert "(onnx:head)" in str(error.value) or "(onnx:fc)" in str(error.value)


def test_calibration_is_what_is_measured() -> None:
    graph = parse(TEXT)
    inputs = seeded_inputs(graph, 0)
    w = np.eye(32, dtype=np.float32)
    near: Sample = {"x": inputs["x"], "w": w}
    far: Sample = {"x": inputs["x"] * np.float32(1e5), "w": w}
    reasons = []
    for given in (near, far):
        report = isthmus.compile(graph, "reference", passes=[LOWER], calibration=[given]).report
        assert report.precision is not None
        reasons.append({each.name: each.reason for each in report.precision.kept})
    assert set(reasons[0]) == {"t", "e"}
    assert "as measured" in reasons[1]["h"]


def test_accuracy_of_other_passes_is_measured_against_the_import() -> None:
    program = isthmus.compile(parse(TEXT), "reference", accuracy=1e-6)
    assert program.report.accuracy is not None
    assert program.report.accuracy.error < 1e-6


def test_layers_are_matched_by_name() -> None:
    graph = parse(TEXT)
    lowered = isthmus.optimize(graph, "lower-precision{dtype=bf16},canonicalize,cse,dce")
    report = measure(graph, lowered, [seeded_inputs(graph, 0)])
    assert report.layers
    assert 1e-3 < report.error < 1e-1


def test_exit_code_2_for_accuracy(tmp_path: Path) -> None:
    model, sample = tmp_path / "net.isth", tmp_path / "sample.npz"
    model.write_text(TEXT)
    np.savez(sample, **seeded_inputs(parse(TEXT), 0))  # type: ignore[arg-type]
    arguments = ["compile", str(model), "-t", "reference", "-p", LOWER, "--calibration", str(sample), "--json"]
    assert CliRunner().invoke(app, [*arguments, "--accuracy", "1e-2"]).exit_code == 0
    refused = CliRunner().invoke(app, [*arguments, "--accuracy", "1e-7"])
    assert refused.exit_code == 2
    assert json.loads(refused.stdout)["error"]["code"] == "E603"
    model.with_suffix(".npz").write_text("no archive")
    bad = CliRunner().invoke(app, [*arguments[:-2], str(model.with_suffix(".npz")), "--json"])
    assert json.loads(bad.stdout)["error"]["code"] == "E602"


@pytest.mark.parametrize("precision", pipelines.PRECISION)
def test_pipelines_of_narrow_targets_round_trip(precision: str) -> None:
    passes = parse_pipeline(pipelines.for_precision(precision))
    assert parse_pipeline(print_pipeline(passes)) == passes
    assert any(isinstance(each, LowerPrecision) for each in passes)


@pytest.mark.parametrize("name", ["mobilenet_v3_large", "efficientnet_b0"])
def test_networks_that_overflow_elsewhere_stay_right_in_f16(name: str) -> None:
    """An engine left alone makes nothing but noise of these two."""
    model = exported.filled(name)
    graph = isthmus.optimize(import_model(model))
    samples = [exported.random_inputs(model, 1)]
    [record] = PassManager([LowerPrecision()], samples=samples).run(graph)
    assert record.precision is not None
    assert record.precision.accuracy is not None
    assert record.precision.accuracy.error < 5e-3
    assert record.precision.lowered > 100
