"""What `.cases` files say, and how they fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.ir.errors import TextError
from isthmus.passes.cases import Case, read_cases, run_case
from tests.passes.test_manager import Crashes

RULES = """rule "neg of neg" exact {
  match { %a = neg(%x) %z = neg(%a) return %z }
  where dtype(%x) == f32 else "other type"
  replace { return %x }
}
rule "relu is nothing" exact { match { %z = relu(%x) return %z } replace { return %x } }
"""
TWICE = "graph @g(%x: f16[N]) {\n %a: f16[N] = neg(%x)\n %z: f16[N] = neg(%a)\n return z: %z\n}"
FIRES = f"""Some words.

--- name: fires
rules: my.rules
before:
{TWICE.replace("f16", "f32")}
after:
graph @g(%x: f32[N]) {{
  return z: %x
}}
"""
REFUSES = f"""
--- name: refuses
rules: my.rules
rule: neg of neg
unchanged because: other type: f16 == f32
before:
{TWICE}
"""

Read = Callable[[str], tuple[Case, ...]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a file of cases beside a file of rules, and reads it."""
    (tmp_path / "my.rules").write_text(RULES)

    def written(text: str) -> tuple[Case, ...]:
        path = tmp_path / "my.cases"
        path.write_text(text)
        read_cases.cache_clear()
        return read_cases(path)

    return written


def test_rules_fire_and_refuse(read: Read) -> None:
    fires, refuses = read(FIRES + REFUSES)
    assert (str(fires), str(refuses)) == ("my: fires", "my: refuses (refuses)")
    assert (fires.line, refuses.line) == (3, 16)
    assert run_case(fires) == {"neg of neg": 1}
    assert run_case(refuses) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FIRES.replace("z: %x", "y: %x"), "outputs ('z',) and ('y',)"),
        (REFUSES.replace("because: other", "because: no"), "no refusal says 'no type: f16 == f32', but:"),
        (FIRES.replace("neg", "relu"), "output z moved by"),
    ],
)
def test_cases_that_do_not_hold_fail(read: Read, text: str, reason: str) -> None:
    (case,) = read(text)
    with pytest.raises(AssertionError) as caught:
        run_case(case)
    assert reason in str(caught.value)
    assert "my.cases:" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("--- before:\nx\n--- nothing", "the case has no 'name'"),
        ("--- nothing", "a case starts with its name"),
        ("--- name: a\npipeline: dce\nbefore:\nx\nrule: r", "has no 'unchanged because'"),
        ("--- name: a\npipeline: dce\nbefore:\nx", "has no 'after'"),
        ("--- name: a\nbefore:\nx\nafter:\nx", "too much or too little"),
        (FIRES + "rule: r\nunchanged because: x", "too much or too little"),
    ],
)
def test_blocks_that_are_no_cases_are_refused(read: Read, text: str, reason: str) -> None:
    with pytest.raises(TextError) as caught:
        read(text)
    assert reason in caught.value.reason


def test_a_pipeline_may_name_passes_that_are_given(read: Read) -> None:
    (case,) = read(FIRES.replace("rules: my.rules", "pipeline: crashes"))
    with pytest.raises(Exception, match="one by zero"):
        run_case(case, [Crashes])
