"""`compile` and the command line on torch models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import isthmus
from isthmus.compiler.cli import app
from isthmus.ir.errors import BadInput, UnknownFormat
from isthmus.ir.types import Array
from isthmus.passes.numerics import relative_error

LIMIT = 1e-5


@pytest.fixture(scope="module")
def module() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()


@pytest.fixture(scope="module")
def exported(module: Any) -> Any:
    dynamic = {"input": {0: torch.export.Dim("batch", min=1, max=16)}}
    return torch.export.export(module, (torch.zeros(2, 3, 8, 8),), dynamic_shapes=dynamic)


@pytest.fixture(scope="module")
def saved(exported: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "net.pt2"
    torch.export.save(exported, path)
    return path


def images(batch: int) -> Array:
    return np.random.default_rng(batch).standard_normal((batch, 3, 8, 8)).astype(np.float32)


def expected(module: Any, x: Array) -> Array:
    with torch.no_grad():
        return np.asarray(module(torch.from_numpy(x)))


@pytest.mark.parametrize("form", ["module", "exported", "saved"])
def test_every_form_compiles_to_the_same_numbers(form: str, request: pytest.FixtureRequest, module: Any) -> None:
    source = request.getfixturevalue(form)
    program = isthmus.compile(source, target="cpu-fp32", inputs={"input": ("N:1..16", 3, 8, 8)})
    assert [str(value.type) for value in program.graph.inputs] == ["f32[N, 3, 8, 8]"]
    for batch in (1, 5):
        found = program({"input": images(batch)})["output"]
        assert relative_error(found, expected(module, images(batch))) < LIMIT


def test_a_program_saves_and_loads(module: Any, tmp_path: Path) -> None:
    isthmus.compile(module, inputs=[("N:1..16", 3, 8, 8)]).save(tmp_path / "net.isth")
    found = isthmus.load(tmp_path / "net.isth")({"input": images(3)})["output"]
    assert relative_error(found, expected(module, images(3))) < LIMIT


def test_narrow_targets(module: Any) -> None:
    program = isthmus.compile(module, target="cpu-bf16", inputs={"input": ("N:1..16", 3, 8, 8)})
    found = program({"input": images(3)})["output"]
    assert 0 < relative_error(found, expected(module, images(3))) < 4e-2


def test_command_line(saved: Path, module: Any, tmp_path: Path) -> None:
    run = CliRunner()
    done = run.invoke(app, ["compile", str(saved), "-o", str(tmp_path / "net.isth"), "-s", "input:N:1..4x3x8x8"])
    assert done.exit_code == 0, done.output
    shown = run.invoke(app, ["inspect", str(saved), "--json"])
    assert shown.exit_code == 0, shown.output
    assert "conv" in json.dumps(json.loads(shown.stdout))
    found = isthmus.load(tmp_path / "net.isth")({"input": images(4)})["output"]
    assert relative_error(found, expected(module, images(4))) < LIMIT


def test_names_and_bounds_of_an_exported_program(exported: Any) -> None:
    """Without inputs= the exporter's own name and bounds; with it the user's, or a fixed size."""
    assert str(isthmus.import_model(exported).inputs[0].type) == "f32[batch, 3, 8, 8]"
    (size,) = isthmus.import_model(exported).inputs[0].type.symbols()
    assert (size.low, size.high) == (1, 16)
    (size,) = isthmus.import_model(exported, inputs={"input": ("N:2..8", 3, 8, 8)}).inputs[0].type.symbols()
    assert (size.name, size.low, size.high) == ("N", 2, 8)
    fixed = isthmus.import_model(exported, inputs={"input": (4, 3, 8, 8)})
    assert str(fixed.inputs[0].type) == "f32[4, 3, 8, 8]"
    with pytest.raises(BadInput, match="given by input name"):
        isthmus.import_model(exported, inputs=[(4, 3, 8, 8)])


def test_other_things_of_torch_are_refused() -> None:
    with pytest.raises(UnknownFormat, match="Tensor is no torch model"):
        isthmus.import_model(torch.zeros(3))
