"""Programs that carry engines: caches, saving and loading, parts, and the command line. Nothing here needs a GPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import isthmus
from isthmus import TensorRTOptions
from isthmus.backends.progress import Silent
from isthmus.backends.tensorrt import builder
from isthmus.backends.tensorrt.device import gpu_arch
from isthmus.compiler import artifact
from isthmus.compiler.cli import app
from isthmus.ir.errors import BadArgument, UnknownFormat

TEXT = """graph @net(%x: f32[N, 4]) where N: 1..8 {
  %w = const f32[1, 4] [1, 2, 3, 4]
  %a: f32[N, 4] = mul(%x, %w)  @onnx("scale")
  %y: f32[N, 4] = relu(%a)  @onnx("body/Relu")
  return %y
}
"""
TARGET = "cuda-sm89-fp32"
OPTIONS = TensorRTOptions(optimization_level=1, profiles=({"N": (1, 2, 4)}, {"N": (4, 8, 8)}))


def compiled(text: str = TEXT, target: str = TARGET, **more: Any) -> isthmus.Program:
    return isthmus.compile(isthmus.parse(text), target, **more)


def is_found(program: isthmus.Program) -> bool:
    return program.report.engine["built"].startswith("found")


def test_a_cache_serves_later_compilations(tmp_path: Path) -> None:
    assert not is_found(compiled(cache_dir=tmp_path))
    assert is_found(compiled(cache_dir=tmp_path))
    assert not is_found(compiled(TEXT.replace("1, 2, 3, 4]", "1, 2, 3, 5]"), cache_dir=tmp_path))


def test_weights_that_are_not_spelled_out_count(tmp_path: Path) -> None:
    import numpy as np

    from isthmus.ir import F32, Builder, Graph, TensorType

    def graph(last: float) -> isthmus.Graph:
        b = Builder(Graph("big"))
        x = b.graph.add_input(TensorType(F32, (100,)), "x")
        w = np.arange(100, dtype=np.float32)
        w[-1] = last
        b.graph.set_outputs([b.mul(x, b.const(w))], ["y"])
        return b.graph

    found = [is_found(isthmus.compile(graph(last), TARGET, cache_dir=tmp_path)) for last in (1, 2, 1)]
    assert found == [False, False, True]


def test_a_saved_program_keeps_its_engine_and_options(tmp_path: Path) -> None:
    path = tmp_path / "m.isth"
    program = compiled(options=OPTIONS)
    program.save(path)
    again = isthmus.load(path)
    assert is_found(again)
    assert again.target == program.target
    assert again.report.engine["profiles"] == program.report.engine["profiles"]
    again.save(tmp_path / "copy.isth")
    again.save(path)
    assert is_found(isthmus.load(path))
    assert is_found(isthmus.load(tmp_path / "copy.isth"))
    assert artifact.load(path)[1].engine == OPTIONS


def test_an_engine_that_does_not_fit_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.isth"
    compiled().save(path)
    assert not is_found(isthmus.load(path, rebuild=True))
    (file,) = artifact.engines(path).glob("*.engine")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert not is_found(isthmus.load(path))
    file.write_bytes(whole)
    assert is_found(isthmus.load(path))
    monkeypatch.setattr(builder, "digest", lambda *sources: "other code")
    assert not is_found(isthmus.load(path))


def test_saving_over_a_program_drops_its_engine(tmp_path: Path) -> None:
    path = tmp_path / "m.isth"
    compiled().save(path)
    old = {each.name for each in artifact.engines(path).iterdir()}
    compiled(options=OPTIONS).save(path)
    assert not old & {each.name for each in artifact.engines(path).iterdir()}
    compiled(target="reference").save(path)
    assert not artifact.engines(path).exists()


MIXED = """graph @mixed(%x: f32[N, 4]) where N: 1..8, u0: 0.. {
  %a: f32[N, 4] = relu(%x)
  %i: i64[2, u0] = non_zero(%a)
  %j: i64[2, u0] = neg(%i)
  %b: f32[N, 4] = neg(%a)
  return %j, %b
}
"""


def test_parts_have_engines_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a part takes what only running can size, its range is asked for by name."""
    from isthmus.backends.base import Refused, Support
    from isthmus.backends.tensorrt.backend import TensorRTBackend
    from isthmus.ir.graph import Node

    supports = TensorRTBackend.supports

    def without_non_zero(self: TensorRTBackend, node: Node) -> Support:
        return Refused("for this test") if node.op.name == "non_zero" else supports(self, node)

    monkeypatch.setattr(TensorRTBackend, "supports", without_non_zero)
    with pytest.raises(BadArgument, match="known for u0") as caught:
        compiled(MIXED, fallback="reference")
    assert "inputs=" not in caught.value.hint
    assert 'profiles=[{"u0": (1, 8, 32)}]' in caught.value.hint
    options = {"profiles": [{"u0": (0, 8, 32)}, {"N": (8, 8, 8), "u0": (0, 8, 32)}]}
    parts: list[float] = []

    class Heard(Silent):
        def step(self, name: str, done: int, total: int) -> None:
            parts.append(done / total)

    program = compiled(MIXED, fallback="reference", options=options, progress=Heard())
    assert parts == sorted(parts)
    assert parts[-1] == 1
    placement = program.report.placement
    assert placement is not None
    assert [backend for backend, _ in placement.parts] == ["tensorrt", "reference", "tensorrt"]
    assert program.report.engine["profiles"].splitlines() == [
        "x [1, 4] / [8, 4] / [8, 4]",
        "x [8, 4] / [8, 4] / [8, 4]",
        "in0 [2, 0] / [2, 8] / [2, 32]",
    ]
    path = tmp_path / "m.isth"
    program.save(path)
    assert len(list(artifact.engines(path).glob("*.engine"))) == 2
    again = isthmus.load(path)
    built = again.report.engine["built"].splitlines()  # one line where both parts took as long
    assert built
    assert all(line.startswith("found") for line in built)
    with pytest.raises(BadArgument, match="has no one device"):
        again.run_on_device()


@pytest.mark.parametrize(
    ("target", "options", "complaint"),
    [
        ("cpu-fp32", {"tf32": True}, "options is {'tf32': True}"),
        ("reference", OPTIONS, "options is TensorRTOptions"),
        (TARGET, {"tf23": True}, "no option 'tf23'"),
        (TARGET, "tf32", "options is 'tf32'"),
        (TARGET, {"profiles": [{"M": (1, 2, 3)}]}, "sizes for 'M', which the model has not"),
    ],
)
def test_options_that_are_none_are_told(target: str, options: Any, complaint: str) -> None:
    with pytest.raises(BadArgument) as caught:
        compiled(target=target, options=options)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    "header", ["", " for target cpu-fp32, fallback error", ' {"target": 3}', ' {"target": "cpu-fp32", "fallback": "x"}']
)
def test_headers_of_another_form_are_told(tmp_path: Path, header: str) -> None:
    path = tmp_path / "m.isth"
    path.write_text(f"// isthmus program{header}\n{TEXT}")
    with pytest.raises(UnknownFormat, match="what it was built for"):
        isthmus.load(path)


def run(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*(str(a) for a in arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_the_command_line_compiles_ahead_of_time(tmp_path: Path) -> None:
    model, saved, cache = tmp_path / "g.isth", tmp_path / "m.isth", tmp_path / "cache"
    model.write_text(TEXT)
    arguments = ("compile", model, "-t", TARGET, "-o", saved, "--cache-dir", cache, "--option", "profiles=N:1..2..4")
    facts = run(*arguments)
    assert facts["engine"]["profiles"] == "x [1, 4] / [2, 4] / [4, 4]"
    assert run(*arguments)["engine"]["built"].startswith("found")
    if not gpu_arch():
        assert run("run", saved, code=1)["error"]["code"] == "E504"
    assert run("run", saved, "--option", "tf32=true", code=1)["error"]["code"] == "E604"
    assert run("run", model, "-t", "cpu-fp32", "--rebuild", code=1)["error"]["code"] == "E604"


@pytest.mark.parametrize("option", ["tf32", "tf32=yes", "tf23=true", "workspace=much"])
def test_options_on_the_command_line_are_checked(tmp_path: Path, option: str) -> None:
    model = tmp_path / "g.isth"
    model.write_text(TEXT)
    assert run("compile", model, "-t", TARGET, "--option", option, code=1)["error"]["code"] == "E604"
    assert run("compile", model, "--option", option, code=1)["error"]["code"] == "E604"


def test_targets_are_listed_with_their_options() -> None:
    rows = {row["target"]: row for row in run("targets")["targets"]}
    assert rows["cuda-sm89-fp16"]["arch"] == "sm89"
    assert "workspace" in rows["cuda-fp16"]["options"]
    assert rows["cpu-fp32"]["options"] == []
    shown = CliRunner().invoke(app, ["targets"]).output
    assert "tensorrt" in shown
