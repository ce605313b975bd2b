"""The pass manager: records, verification, dumps and reproducers; and pipelines as text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from isthmus.ir.compare import difference
from isthmus.ir.errors import PassError, PipelineError, TextError
from isthmus.ir.graph import Graph
from isthmus.ir.parser import parse
from isthmus.ir.types import F32, TensorType
from isthmus.passes import pipelines
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.canonicalize import Canonicalize
from isthmus.passes.fold import Fold
from isthmus.passes.fuse import Fuse
from isthmus.passes.manager import PassManager, read_reproducer
from isthmus.passes.rewrite_pass import Rewrite
from isthmus.passes.rule import exact, rule
from isthmus.passes.spec import parse_pipeline, print_pipeline
from isthmus.passes.table import known_passes

TEXT = """graph @g(%x: f32[N, 3]) {
  %a: f32[N, 3] = neg(%x)
  %b: f32[N, 3] = neg(%a)
  %z: f32[N, 3] = exp(%b)
  return %z
}
"""


@dataclass(frozen=True)
class Mistypes(Pass):
    """Declares a type that no op infers."""

    name: ClassVar[str] = "mistypes"
    times: int = 1

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        value = next(iter(graph.nodes)).result
        graph.retype(value, TensorType(F32, (7,)))
        return True


@dataclass(frozen=True)
class Crashes(Pass):
    """Fails."""

    name: ClassVar[str] = "crashes"

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        raise ZeroDivisionError("one by zero")


def test_records_say_what_each_pass_did() -> None:
    first, second = PassManager(parse_pipeline("canonicalize,cse")).run(parse(TEXT))
    assert (first.name, first.changed, first.nodes_before, first.nodes_after) == ("canonicalize", True, 3, 1)
    assert first.fired == {"an involution twice is nothing": 1}
    assert first.as_dict()["fired"] == {"an involution twice is nothing": 1}
    assert not second.changed


def test_a_pass_that_breaks_a_type_is_named() -> None:
    with pytest.raises(PassError, match="pass 'mistypes' failed") as caught:
        PassManager([Mistypes()]).run(parse(TEXT))
    assert "should have type f32[N, 3]" in str(caught.value)
    PassManager([Mistypes()], check="none").run(parse(TEXT))


def test_a_failing_pass_leaves_a_reproducer(tmp_path: Path) -> None:
    with pytest.raises(PassError, match="ZeroDivisionError: one by zero") as caught:
        PassManager([Canonicalize(), Crashes(), Fold(limit=7)], "numerics", reproducer_dir=tmp_path).run(parse(TEXT))
    assert "reproducer.isth" in caught.value.hint
    pipeline, graph, then, check = read_reproducer(tmp_path / "reproducer.isth")
    assert (pipeline, then, check) == ("crashes", "fold{limit=7}", "numerics")
    assert difference(graph, parse("graph @g(%x: f32[N, 3]) {\n %z: f32[N, 3] = exp(%x)\n return %z\n}")) is None


def _hint(each: Pass, folder: Path) -> str:
    """The hint that comes with the failure of a pass on what it cannot verify."""
    with pytest.raises(PassError) as caught:
        PassManager([each], reproducer_dir=folder).run(parse(TEXT))
    return caught.value.hint


def test_only_what_text_spells_is_replayed_from_the_command_line(tmp_path: Path) -> None:
    fails = rule("r", exact, match=lambda b, x: b.exp(x), replace=lambda b, x: None)
    path = tmp_path / "reproducer.isth"
    assert f"`isthmus opt {path}`" in _hint(Fuse(only=("convs",)), tmp_path)
    for each in (Rewrite(rules=(fails,)), Mistypes()):
        hint = _hint(each, tmp_path)
        assert "isthmus opt" not in hint
        assert f"read_reproducer({str(path)!r}).graph" in hint
        with pytest.raises(PassError):
            PassManager([each]).run(read_reproducer(path).graph)


class _Unreadable(Crashes):
    """Has an option that cannot be read."""

    times: int

    def __getattribute__(self, name: str) -> object:
        if name == "__dataclass_fields__":
            raise RuntimeError("no fields")
        return super().__getattribute__(name)


def test_a_failure_is_told_even_where_the_pass_cannot_be_printed(tmp_path: Path) -> None:
    with pytest.raises(PassError, match="pass 'crashes' failed: ZeroDivisionError"):
        PassManager([_Unreadable()], reproducer_dir=tmp_path).run(parse(TEXT))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([Canonicalize], "Canonicalize is a class of passes, not a pass"),
        ([Canonicalize(), 7], "7 is no Pass"),
        ("fuse", "'f' is no Pass"),
        ([Pass()], "Pass has no name"),
        (Fold(), "no list of passes"),
    ],
)
def test_what_is_no_pass_is_refused_before_anything_runs(given: Any, reason: str) -> None:
    with pytest.raises(PipelineError) as caught:
        PassManager(given)
    assert reason in caught.value.reason


def test_a_file_without_a_pipeline_is_no_reproducer(tmp_path: Path) -> None:
    path = tmp_path / "plain.isth"
    path.write_text(TEXT)
    with pytest.raises(TextError, match="names no pipeline"):
        read_reproducer(path)


def test_dumps_hold_what_changed(tmp_path: Path) -> None:
    PassManager(parse_pipeline("dce,canonicalize,cse"), dump_dir=tmp_path).run(parse(TEXT))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "00-input.isth",
        "01-canonicalize.diff",
        "01-canonicalize.isth",
    ]
    assert "-  %a: f32[N, 3] = neg(%x)" in (tmp_path / "01-canonicalize.diff").read_text()
    assert difference(parse((tmp_path / "00-input.isth").read_text()), parse(TEXT)) is None


@pytest.mark.parametrize("text", ["", "canonicalize", "dce,cse", "fuse{only=[conv,norm]},fold{limit=1024}"])
def test_pipelines_round_trip(text: str) -> None:
    assert print_pipeline(parse_pipeline(text)) == text


def test_defaults_are_not_printed() -> None:
    assert parse_pipeline("fold{limit=262144} , fuse{only=[]}") == (Fold(), Fuse())
    assert print_pipeline((Fold(), Fuse())) == "fold,fuse"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("canonicalise", "did you mean canonicalize?"),
        ("fold{limits=3}", "did you mean limit?"),
        ("fold{limit=big}", "option limit must be int"),
        ("fold{limit=1,limit=2}", "option 'limit' of pass 'fold' is given twice"),
        ("fold{limit=1", "does not parse"),
    ],
)
def test_wrong_pipeline_text_is_explained(text: str, reason: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse_pipeline(text)
    assert reason in str(caught.value)


def test_an_unknown_rule_family_is_explained() -> None:
    with pytest.raises(PassError, match="no rule family is called 'convs'") as caught:
        PassManager(parse_pipeline("fuse{only=[convs]}")).run(parse(TEXT))
    assert "did you mean conv?" in str(caught.value)


def test_the_default_pipeline_parses_and_every_step_has_a_reason() -> None:
    assert [print_pipeline((each,)) for each in parse_pipeline(pipelines.default())] == [
        step for step, _ in pipelines.DEFAULT
    ]
    assert all(reason for _, reason in pipelines.DEFAULT)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Installs a package of one module that offers one pass."""

    def installed(value: str, source: str) -> None:
        (tmp_path / "offering.py").write_text(source)
        info = tmp_path / "offering-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offering\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[isthmus.passes]\noffered = {value}\n")
        monkeypatch.syspath_prepend(tmp_path)
        known_passes.cache_clear()

    yield installed
    known_passes.cache_clear()
    sys.modules.pop("offering", None)


NEW_PASS = """
from dataclasses import dataclass
from isthmus import Pass

@dataclass(frozen=True)
class Idle(Pass):
    "Does nothing."
    name = "idle"
    times: int = 1

    def run(self, graph, ctx):
        return False
"""


def test_installed_packages_offer_passes(install: Callable[[str, str], None]) -> None:
    install("offering:Idle", NEW_PASS)
    (each,) = parse_pipeline("idle{times=3}")
    assert print_pipeline((each,)) == "idle{times=3}"
    assert not PassManager([each]).run(parse(TEXT))[0].changed


@pytest.mark.parametrize(
    ("value", "source", "reason"),
    [
        ("offering:Idle", "import no_such_module", "cannot be loaded: ModuleNotFoundError"),
        ("offering:Idler", NEW_PASS, "cannot be loaded: AttributeError"),
        ("offering:dataclass", NEW_PASS, "which is no Pass"),
        ("offering:Idle", NEW_PASS.replace('"idle"', '"fuse"'), "called 'fuse', which there is already"),
    ],
)
def test_broken_offers_are_named(install: Callable[[str, str], None], value: str, source: str, reason: str) -> None:
    install(value, source)
    with pytest.raises(PipelineError) as caught:
        parse_pipeline("dce")
    assert reason in caught.value.reason
    assert caught.value.where == value


def test_every_pass_explains_itself() -> None:
    assert all(kind.__doc__ and kind.name == name for name, kind in known_passes().items())
