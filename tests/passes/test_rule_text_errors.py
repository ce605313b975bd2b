"""Bad text of rules is refused with its place, a reason and a hint, however hostile it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.ir.errors import TextError
from isthmus.ir.parser import parse
from isthmus.passes.explain import explain
from isthmus.passes.rule import Exactness
from isthmus.passes.rule_text import load_rules, parse_rules

M, R = "match { %z = neg(%x) return %z }", "replace { return %x }"


@pytest.mark.parametrize(
    ("inside", "at", "reason", "hint"),
    [
        (f"match {{ %z = nge(%x) return %z }} {R}", "nge", "no op is called 'nge'", "did you mean neg"),
        (f"match {{ %z = if(%x) return %z }} {R}", "if", "if cannot stand", "in Python"),
        (f"match {{ %z = neg(%x) {{axis = 1}} return %z }} {R}", "axis", "neg has no attribute 'axis'", "none"),
        (f"match {{ %z = softmax(%x) {{axs = 1}} return %z }} {R}", "axs", "no attribute 'axs'", "did you mean axis?"),
        (f"match {{ %z = softmax(%x) return %z }} {R}", "softmax", "nothing is said of axis", "**k"),
        (f"match {{ %z = softmax(%x) {{axis = a, axis = b}} return %z }} {R}", "axis = b", "axis is given twice", ""),
        (f'match {{ %z = softmax(%x) {{axis = "last"}} return %z }} {R}', '"last"', "axis must be int", ""),
        (f"match {{ %z = softmax(%x) {{axis = a + 1}} return %z }} {R}", "a + 1", "is a name, which captures it", ""),
        (f"match {{ %z = neg(%x, %y) return %z }} {R}", "%y", "neg takes 1 operands", ""),
        (f"match {{ %z = add(%x) return %z }} {R}", "add", "operand y is missing", ""),
        (f"match {{ %z = add(none, %x) return %z }} {R}", "none", "operand x is never absent", ""),
        (f"match {{ %z = add(*%x) return %z }} {R}", "%x)", "add takes no *%x here", "any number"),
        (f"match {{ %z = add(%x, y) return %z }} {R}", "y)", "y is no number", "%y"),
        (f"match {{ %z = add(%x, -true) return %z }} {R}", "true", "true is no number", ""),
        (f"match {{ %z = add(%x, 99999999999999999999) return %z }} {R}", "999", "more than 64 bits", ""),
        (f"match {{ %a, %z = neg(%x) return %z }} {R}", "%z =", "neg yields one result", ""),
        (f"match {{ %a = neg(%x) %z = abs(%x) return %z }} {R}", "%a =", "nothing in this match uses %a", ""),
        (f"match {{ %a = neg(%x) %z = abs(%a) return %a }} {R}", "%a }", "returns all results", ""),
        (f"match {{ return %x }} {R}", "return", "a match needs a node", ""),
        (f"match {{ %z = neg(%y) %y = neg(%x) return %y }} {R}", "%y = neg(%x)", "used before it is defined", ""),
        (f"match {{ %y = neg(%x) %y = neg(%y) return %y }} {R}", "%y = neg(%y)", "%y is defined already", ""),
        (f"match {{ %y = neg(%x) %z = neg(const %y) return %z }} {R}", "const", "%y is made by neg", ""),
        (
            f"match {{ %z = softmax(%x) {{axis = k, **k}} return %z }} {R}",
            "k} ",
            "k captures something of another kind",
            "",
        ),
        (f'{M} match {{ %y = abs(%x) return %y }} {R}', "%y }", "return the same names: %z", ""),
        (f"{M} replace {{ return %y }}", "%y }", "%y is not captured", "known here: %x"),
        (f"{M} replace {{ return %z }}", "%z }", "%z is not captured", "%x"),
        (f"{M} replace {{ %r = neg(%xx) return %r }}", "%xx", "%xx is not captured", "did you mean %x?"),
        (f"{M} replace {{ %x = neg(%x) return %x }}", "%x = neg", "%x is defined already", "name of its own"),
        (f"{M} replace {{ %r = neg(const %x) return %r }}", "const", "const says something of a match", ""),
        (f"{M} replace {{ %r = softmax(%x) {{axis = a}} return %r }}", "a} return", "a is not captured", "none"),
        (f"{M} replace {{ %r = softmax(%x) {{**k}} return %r }}", "k}", "k is not captured", "none"),
        (f"{M} replace {{ %r = softmax(%x) {{axis = 1.5}} return %r }}", "1.5", "axis must be int", ""),
        (f"{M} replace {{ %r = softmax(%x) {{axis = rnk(%x)}} return %r }}", "rnk", "no function is called", "rank"),
        (f"{M} replace {{ %r = softmax(%x) {{axis = rank(%x, 1)}} return %r }}", "rank", "rank takes 1 arguments", ""),
        (f"{M} replace {{ %r = softmax(%x) {{axis = rank(1)}} return %r }}", "1)", "rank asks about a value", ""),
        (f"{M} replace {{ %r = softmax(%x) {{axis = %x}} return %r }}", "%x}", "%x is a value of", "shape(%x)"),
        (f"{M} replace {{ return %x, %x }}", "return %x,", "the match returns 1 values, not 2", ""),
        (f'{M} where rank(%y) == 1 else "no" {R}', "%y", "%y is not captured", "known here"),
        (f'{M} where not rank(%x) == 1 else "no" {R}', "not", "a condition is [not] a", ""),
        (f'{M} where rank(%x) == 1 {R}', "replace", "unexpected 'replace'", "'else'"),
        (f'{M} where constant(%x) else "\\q" {R}', '"\\q"', "broken escape", ""),
        (f"match {{ %z = neg(%x) {{perm}} return %z }} {R}", "}", "unexpected '}'", "'='"),
        (f"match {{ %z: f32[N] = neg(%x) return %z }} {R}", ":", "unexpected", "'='"),
        (f"{M}", "}", "unexpected '}'", "'replace'"),
    ],
)  # fmt: skip
def test_errors_point_at_their_place(inside: str, at: str, reason: str, hint: str) -> None:
    text = f'\nrule "r" exact {{\n {inside}\n}}'
    with pytest.raises(TextError) as caught:
        parse_rules(text, filename="my.rules")
    error = caught.value
    assert reason in error.reason
    assert hint in error.hint
    place, line, caret = error.where.splitlines()
    assert place.startswith("my.rules:")
    assert line[caret.index("^") :].startswith(at)


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(TextError, match="two rules are called 'two in a row'"):
        parse_rules(EVERYTHING + EVERYTHING)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="rules cannot be read"):
        load_rules(tmp_path / "none.rules")
    (tmp_path / "bad.rules").write_bytes(b"\xff")
    with pytest.raises(TextError, match="rules cannot be read"):
        load_rules(tmp_path / "bad.rules")


GRAPH = """graph @g(%x: f32[N, 3]) {
  %a: f32[N, 3] = relu(%x)
  %z: f32[3, N] = transpose(%a) {perm = [1, 0]}
  return %z
}"""
EVERYTHING = """// comment
rule "two in a row" exact shared {
  match {
    %y = transpose(%x) {perm = p}
    %z = transpose(%y) {perm = q}
    return %z
  }
  replace { %z = transpose(%x) {perm = compose(p, q)} return %z }
}
rule "all forms" approximate {
  match {
    %a, %b = split(const %x) {axis = i, **k}
    %c = concat(%a, *%xs) {axis = -1}
    %"z z" = clip(%c, optional const %low, 6.5)
    return %"z z"
  }
  match { %"z z" = where(true, %b, %x) return %"z z" }
  where not constant(%x) else "a" where shape(%x)[0] * 2 + 1 in [1, -2, floordiv(3, 2)] else "b"
  replace { %r = reshape(%x) {shape = [1, rank(%x)]} return %r }
}
"""


def test_everything_parses() -> None:
    first, second = parse_rules(EVERYTHING)
    assert (first.exactness, second.exactness) == (Exactness.EXACT, Exactness.APPROXIMATE)
    assert set(second.roots) == {"clip", "where"}


@settings(max_examples=200, deadline=None, database=None)
@given(st.data())
def test_mangled_text_parses_or_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(EVERYTHING) - 1))
    length = data.draw(st.integers(0, 6))
    new = data.draw(st.text("%@[](){}=,:N019-.*\"' \nfek<!", max_size=4))
    try:
        rules = parse_rules(EVERYTHING[:at] + new + EVERYTHING[at + length :])
    except TextError:
        return
    for rule in rules:
        explain(rule, parse(GRAPH))


@pytest.mark.parametrize(
    "text",
    [
        f'rule "r" exact {{ match {{ {"%a = neg(%a) " * 3} return %a }}',
        f'rule "r" exact {{ {M} where {"(" * 9999}1{")" * 9999} == 1 else "" {R} }}',
        f'rule "r" exact {{ {M} where {"[" * 9999} else "" {R} }}',
        'rule "r" exact { match { '
        + "".join(f"%{i + 1} = neg(%{i}) " for i in range(5000))
        + "return %5000 } replace { return %0 } }",
        f'rule "r" exact {{ match {{ %z = concat({"%x, " * 5000} %x) {{axis = 0}} return %z }} {R} }}',
        f'rule "r" exact {{ {M} where {"9" * 9999} == 1 else "" {R} }}',
        "rule " * 9999,
        '"' * 99999,
    ],
)
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_rules(text)
    assert len(str(caught.value)) < 2000
