"""The calls users make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.ir.errors import BadArgument, BadInput, UnknownFormat, UnknownTarget
from isthmus.passes.dce import Dce
from tests.support import exported

TEXT = """
graph @tail(%x: f32[N, 4], %limit: f32[]) where N: 1..8 {
  %w = const f32[4, 3] [1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1]
  %h: f32[N, 3] = matmul(%x, %w)
  %y: f32[N, 3] = clip(%h, none, %limit)
  return logits: %y, %x
}
"""


@pytest.fixture(params=["cpu-fp32", "reference"])
def program(request: pytest.FixtureRequest) -> isthmus.Program:
    return isthmus.compile(isthmus.parse(TEXT), target=request.param)


def test_inputs_by_name_or_in_order(program: isthmus.Program) -> None:
    x, limit = np.arange(8, dtype=np.float32).reshape(2, 4), np.float32(7)
    by_name = program({"limit": limit, "x": x})
    in_order = program(x, limit)
    assert program.input_names == ("x", "limit")
    assert program.output_names == ("logits", "x") == tuple(by_name)
    np.testing.assert_array_equal(by_name["logits"], [[3, 4, 5], [7, 7, 7]])
    np.testing.assert_array_equal(in_order["logits"], by_name["logits"])


def test_results_belong_to_the_caller(program: isthmus.Program) -> None:
    x, limit = np.ones((1, 4), np.float32), np.float32(9)
    first = program(x, limit)
    program(x * 2, limit)
    np.testing.assert_array_equal(first["logits"], [[2, 2, 2]])
    assert not np.shares_memory(first["x"], x)


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"x": np.zeros((2, 4), np.float32)}, "missing limit"),
        ({"x": np.zeros((2, 4), np.float32), "limit": np.float32(1), "z": 1}, "unknown z"),
        ({"x": np.zeros((2, 5), np.float32), "limit": np.float32(1)}, "[2, 5], expected f32[N, 4]"),
        ({"x": np.zeros((2, 4)), "limit": np.float32(1)}, "float64[2, 4], expected f32[N, 4]"),
        ({"x": np.zeros((9, 4), np.float32), "limit": np.float32(1)}, "N = 9, outside its bounds 1..8"),
        ({"x": [[1.0] * 4], "limit": np.float32(1)}, "'x' is a list, expected a numpy array"),
    ],
)
def test_wrong_inputs_are_told(program: isthmus.Program, inputs: dict[str, object], complaint: str) -> None:
    with pytest.raises(BadInput) as caught:
        program(inputs)
    assert complaint in str(caught.value)


def test_save_and_load(program: isthmus.Program, tmp_path: Path) -> None:
    path = tmp_path / "program.isth"
    program.save(path)
    again = isthmus.load(path)
    x = np.full((3, 4), 2, np.float32)
    assert again.target == program.target
    np.testing.assert_array_equal(again(x, np.float32(3))["logits"], program(x, np.float32(3))["logits"])


def test_the_users_graph_stays_as_it_is() -> None:
    graph = isthmus.parse(TEXT)
    before = str(graph)
    isthmus.compile(graph)
    isthmus.optimize(graph)
    assert str(graph) == before


def test_report_counts_and_times(program: isthmus.Program) -> None:
    facts = program.report.as_dict()
    assert facts["ops"] == {"matmul": 1, "clip": 1} or facts["ops"] == {"linear": 1, "clip": 1}
    assert set(facts["seconds"]) == {"import", "optimize", "legalize", "build"}
    assert "nodes imported" in str(program.report)


def test_passes_of_the_user_run_last(tmp_path: Path) -> None:
    program = isthmus.compile(isthmus.parse(TEXT), target="reference", passes=[Dce(), "cse,dce"], dump_dir=tmp_path)
    assert [record.name for record in program.report.passes][-3:] == ["dce", "cse", "dce"]
    assert (tmp_path / "00-input.isth").exists()


def test_unknown_targets_get_a_suggestion() -> None:
    with pytest.raises(UnknownTarget, match="cpu-fp31") as caught:
        isthmus.compile(isthmus.parse(TEXT), target="cpu-fp31")
    assert "did you mean 'cpu-fp32'?" in str(caught.value)


@pytest.mark.parametrize("model", ["nowhere.onnx", __file__, 5])
def test_what_is_no_model_is_told(model: object) -> None:
    with pytest.raises(UnknownFormat):
        isthmus.import_model(model)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"fallback": "bogus"}, "fallback is 'bogus'"),
        ({"check": "bogus"}, "check is 'bogus'"),
        ({"threads": 0}, "threads is 0"),
        ({"progress": 5}, "progress is 5"),
        ({"accuracy": float("nan")}, "accuracy is nan"),
        ({"passes": [3]}, "3 is no pass"),
        ({"passes": [Dce]}, "is no pass"),
    ],
)
def test_arguments_of_no_admitted_kind_are_told(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadArgument) as caught:
        isthmus.compile(isthmus.parse(TEXT), **arguments)
    assert complaint in str(caught.value)


def test_static_inputs_must_be_arrays() -> None:
    program = isthmus.compile(isthmus.parse("graph @g(%x: f32[2]) {\n %y: f32[2] = relu(%x)\n return %y\n}"))
    with pytest.raises(BadInput, match="is a list"):
        program({"x": [1.0, 2.0]})


def test_a_saved_program_keeps_its_fallback(tmp_path: Path) -> None:
    text = "graph @g(%x: f32[2]) {\n %y: f32[2] = atan2(%x, %x)\n return %y\n}"
    isthmus.compile(isthmus.parse(text), fallback="reference").save(tmp_path / "g.isth")
    again = isthmus.load(tmp_path / "g.isth")
    assert again.fallback == "reference"
    assert again(np.ones(2, np.float32))["y"].shape == (2,)


@pytest.mark.parametrize("spec", [3, "N", (2.5,), (True,)])
def test_shapes_that_are_none_are_told(spec: Any) -> None:
    with pytest.raises(BadInput, match="is no"):
        isthmus.import_model(exported.filled("mobilenet_v3_large"), inputs={"x": spec})


def test_shapes_for_a_graph_are_refused() -> None:
    with pytest.raises(BadInput, match="already"):
        isthmus.import_model(isthmus.parse(TEXT), inputs={"x": (1, 4)})
