"""The command line, in process."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from isthmus.compiler.bar import Bar
from isthmus.compiler.cli import app
from isthmus.compiler.options import parse_shapes
from isthmus.ir.errors import BadInput
from tests.support import exported
from tests.support.tensorflow_models import FOLDER


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "mobilenet.onnx"
    onnx.save(exported.filled("mobilenet_v3_large"), path)
    return path


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


def run_json(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*(str(a) for a in arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_compile_save_and_run(model: Path, tmp_path: Path) -> None:
    saved, image, results = tmp_path / "m.isth", tmp_path / "x.npy", tmp_path / "y.npz"
    facts = run_json("compile", model, "-s", "x:N:1..4x3x224x224", "-o", saved)
    assert facts["nodes"]["built"] <= 145
    assert facts["target"] == "cpu-fp32"
    np.save(image, np.ones((2, 3, 224, 224), np.float32))
    (output,) = run_json("run", saved, "-i", f"x={image}", "--save", results)["outputs"]
    assert output["shape"] == [2, 1000]
    assert np.load(results)[output["name"]].shape == (2, 1000)


def test_inspect(model: Path) -> None:
    facts = run_json("inspect", model)
    assert facts["inputs"] == {"x": "f32[batch, 3, 224, 224]"}
    assert facts["ops"]["conv"] == 62
    assert "f32[batch, 3, 224, 224]" in run("inspect", model, "--ir")


def test_opt_prints_ir(model: Path, tmp_path: Path) -> None:
    text = run("opt", model, "-p", "fold,fuse,dce", "--check", "structure")
    assert text.startswith("graph @")
    assert "batch_norm(" not in text
    facts = run_json("opt", model, "-o", tmp_path / "better.isth", "--check", "structure")
    assert facts["nodes"]["after"] < facts["nodes"]["before"]


def test_opt_explains_why_a_rule_does_not_fire(tmp_path: Path) -> None:
    path, rules = tmp_path / "g.isth", tmp_path / "my.rules"
    path.write_text("graph @g(%x: f32[4]) {\n  %y: f32[4] = neg(%x)\n  return %y\n}\n")
    rules.write_text('rule "twice" exact { match { %a = neg(%x) %z = neg(%a) return %z } replace { return %x } }')
    arguments = ("opt", path, "-p", f"rewrite{{rules={rules}}}", "--explain")
    assert run(*arguments, "twice") == "%y: f32[4] = neg(%x): %x: f32[4] is not made by neg\n"
    (node,) = run_json(*arguments, "twice")["nodes"]
    assert (node["fires"], node["reason"]) == (False, "%x: f32[4] is not made by neg")
    assert "did you mean 'twice'?" in run(*arguments, "twic", code=1)
    assert "no node has an op" in run(*arguments, "reshape of reshape is the last one")


def test_opt_replays_a_reproducer(tmp_path: Path) -> None:
    rules = tmp_path / "my.rules"
    rules.write_text('rule "wrong" exact { match { %z = neg(%x) return %z } replace { %a = abs(%x) return %a } }')
    path = tmp_path / "g.isth"
    path.write_text("graph @g(%x: f32[4]) {\n  %y: f32[4] = neg(%x)\n  return %y\n}\n")
    pipeline = f"cse,rewrite{{rules={rules}}},dce"
    output = run("opt", path, "-p", pipeline, "--check", "numerics", "--dump-dir", tmp_path / "dump", code=1)
    assert "E404" in output
    assert "isthmus opt" in output
    reproducer = tmp_path / "dump" / "reproducer.isth"
    assert "E404" in run("opt", reproducer, code=1)
    rules.write_text('rule "right" exact { match { %z = neg(%x) return %z } replace { %a = mul(%x, -1.0) return %a } }')
    output = run("opt", reproducer)
    assert "mul(%x, " in output
    assert "dce" in output


def test_lists() -> None:
    assert "softmax" in run("ops")
    assert run_json("ops", "gelu")["ops"][0]["family"] == "activation"
    assert "canonicalize" in run("passes")
    assert {t["target"] for t in run_json("targets")["targets"]} >= {"cpu-fp32", "reference"}


def test_errors_are_told_without_traceback(tmp_path: Path) -> None:
    bad = tmp_path / "bad.isth"
    bad.write_text("graph @g(%x: f32[4]) {\n  %y: f32[4] = rel(%x)\n  return %y\n}\n")
    output = run("inspect", bad, code=1)
    assert "E201" in output
    assert ":2:" in output
    assert "relu" in output
    assert run_json("inspect", bad, code=1)["error"]["code"] == "E201"
    assert run_json("ops", "soft_max", code=1)["error"]["code"] == "E300"


def test_files_that_cannot_be_written_are_told(model: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere" / "m.isth"
    assert run_json("compile", model, "-o", nowhere, code=1)["error"]["code"] == "E605"


def test_options_that_would_be_ignored_are_refused(model: Path, tmp_path: Path) -> None:
    saved = tmp_path / "m.isth"
    run("compile", model, "-o", saved)
    assert run_json("run", saved, "-s", "x:1x3x224x224", code=1)["error"]["code"] == "E604"


def test_shapes_as_text() -> None:
    assert parse_shapes(["x:N:1..32x3x?", "y:"]) == {"x": ("N:1..32", 3, None), "y": ()}
    with pytest.raises(BadInput, match="names no input"):
        parse_shapes(["3x4"])


def test_progress_is_a_line_on_a_terminal_only() -> None:
    for is_terminal in (True, False):
        shown = StringIO()
        with Bar(Console(file=shown, force_terminal=is_terminal, width=100), "resnet50.onnx") as bar:
            bar.stage("build")
            bar.step("Timing tactics", 250, 1000)
            bar._line.refresh()
        assert ("build resnet50.onnx" in shown.getvalue()) == is_terminal
        assert ("Timing tactics" in shown.getvalue()) == is_terminal


def test_a_signature_and_tensors_of_a_tensorflow_model(tmp_path: Path) -> None:
    several = FOLDER / "several_signatures" / "model"
    assert "project" in run("inspect", several, code=1)
    assert run_json("inspect", several, "--signature", "project")["outputs"] == {"y": "f32[x_0, 3]"}
    fetched = run_json("inspect", FOLDER / "frozen" / "model.pb", "--fetch", "conv", "--fetch", "probabilities")
    assert list(fetched["outputs"]) == ["conv", "probabilities"]
    saved = tmp_path / "m.isth"
    options = ("--signature", "look_up", "--fetch", "numbers")
    run("compile", several, "-t", "reference", *options, "-o", saved)
    (output,) = run_json("run", saved)["outputs"]
    assert output["name"] == "numbers"
    assert "already" in run("run", saved, *options, code=1)
