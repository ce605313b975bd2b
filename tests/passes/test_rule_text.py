"""Rules written as text: what each form matches and builds, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.ir.compare import difference
from isthmus.ir.errors import PassError, PipelineError
from isthmus.ir.graph import Graph, Node
from isthmus.ir.parser import parse
from isthmus.passes.base import PassContext
from isthmus.passes.explain import explain, find_rule
from isthmus.passes.manager import PassManager
from isthmus.passes.rewrite import rewrite
from isthmus.passes.rewrite_pass import Rewrite
from isthmus.passes.rule import Rule
from isthmus.passes.rule_functions import FUNCTIONS
from isthmus.passes.rule_text import parse_rules
from isthmus.passes.rules import shape
from isthmus.passes.spec import parse_pipeline, print_pipeline

HEADER = "graph @g(%x: f32[N, 3], %y: f32[N, 3], %m: f32[2, 3, 4])"


def graph(body: str) -> Graph:
    return parse(f"{HEADER} {{\n{body}\n}}")


def law(match: str, replace: str, where: str = "", shared: str = "") -> Rule:
    """A rule from the insides of its blocks; several matches are told apart by a bar."""
    matches = "\n".join(f"match {{ {each} }}" for each in match.split("|"))
    (found,) = parse_rules(f'rule "r" exact {shared} {{ {matches} {where} replace {{ {replace} }} }}')
    return found


def check(rule: Rule, before: str, after: str) -> None:
    """The rule turns one graph into the other."""
    found, ctx = graph(before), PassContext()
    assert rewrite(found, [rule], ctx), [str(each) for each in explain(rule, found)]
    assert difference(found, graph(after)) is None, str(found)


def refusal(rule: Rule, body: str) -> str:
    """Why the rule does not fire at the node that makes the graph's first output."""
    node = graph(body).outputs[0].node
    assert isinstance(node, Node)
    reason = rule.explain(node)
    assert reason is not None
    return reason


TWICE = "%a: f32[3, N] = transpose(%x) {perm = [1, 0]}\n%z: f32[N, 3] = transpose(%a) {perm = [1, 0]}\nreturn %z"
NEG = "%z: f32[N, 3] = neg(%x) return %z"
COMPOSE = """
// two in a row
rule "transpose of transpose composes" exact shared {
  match {
    %y = transpose(%x) {perm = p}
    %z = transpose(%y) {perm = q}
    return %z
  }
  replace {
    %z = transpose(%x) {perm = compose(p, q)}
    return %z
  }
}
"""


def test_a_rule_in_text_is_the_rule_in_python() -> None:
    (ours,) = parse_rules(COMPOSE)
    twin = next(rule for rule in shape.RULES if rule.name == ours.name)
    assert (ours.exactness, ours.shared, set(ours.roots)) == (twin.exactness, twin.shared, set(twin.roots))
    results = []
    for rule in (ours, twin):
        found = graph(
            "%a: f32[3, 4, 2] = transpose(%m) {perm = [1, 2, 0]}\n"
            "%b: f32[3, 2, 4] = transpose(%a) {perm = [0, 2, 1]}\n return %a, %b"
        )
        rewrite(found, [rule], PassContext())
        results.append(found)
    assert difference(*results, locations=True) is None
    assert results[0].outputs[1].node is not None
    assert results[0].outputs[1].node.attrs["perm"] == (1, 0, 2)


def test_commutative_ops_match_both_ways_and_captures_met_twice_are_one_value() -> None:
    square = law("%a = neg(%x) %z = mul(%x, %a) return %z", "%s = mul(%x, %x) %r = neg(%s) return %r")
    check(
        square,
        "%a: f32[N, 3] = neg(%x)\n%z: f32[N, 3] = mul(%a, %x) return %z",
        "%s: f32[N, 3] = mul(%x, %x)\n%z: f32[N, 3] = neg(%s) return %z",
    )
    assert "in one place" in refusal(square, "%a: f32[N, 3] = neg(%x)\n%z: f32[N, 3] = mul(%y, %a) return %z")


def test_a_value_made_in_the_match_may_be_used_twice() -> None:
    square = law("%a = neg(%x) %z = mul(%a, %a) return %z", "%r = mul(%x, %x) return %r")
    check(
        square,
        "%a: f32[N, 3] = neg(%x)\n%z: f32[N, 3] = mul(%a, %a) return %z",
        "%z: f32[N, 3] = mul(%x, %x) return %z",
    )


def test_numbers_match_constants_and_become_constants() -> None:
    ramp = law("%a = add(%x, 3.0) %z = clip(%a, none, 6) return %z", "%r = clip(%x, -inf, 3.0) return %r")
    check(
        ramp,
        "%k = const f32[] 3.0\n%h = const f32[] 6.0\n%a: f32[N, 3] = add(%k, %x)\n"
        "%z: f32[N, 3] = clip(%a, none, %h) return %z",
        "%k = const f32[] -inf\n%h = const f32[] 3.0\n%z: f32[N, 3] = clip(%x, %k, %h) return %z",
    )
    true = law("%z = where(true, %x, %y) return %z", "return %x")
    check(true, "%c = const bool[] true\n%a: f32[N, 3] = where(%c, %x, %y)\nreturn %a", "return a: %x")


def test_constants_and_optional_operands() -> None:
    bias = law(
        "%l = linear(%x, const %w, optional const %b) %z = neg(%l) return %z",
        "%v = neg(%w) %r = linear(%x, %v, %b) return %r",
    )
    weight = "%w = const f32[3, 1] [1.0, 2.0, 3.0]\n"
    check(
        bias,
        weight + "%l: f32[N, 1] = linear(%x, %w)\n%z: f32[N, 1] = neg(%l) return %z",
        "%w = const f32[3, 1] [-1.0, -2.0, -3.0]\n%z: f32[N, 1] = linear(%x, %w) return %z",
    )
    assert "is not constant" in refusal(
        bias,
        weight + "%s: f32[] = reduce_sum(%m) {axes = [0, 1, 2]}\n%b: f32[1] = reshape(%s) {shape = [1]}\n"
        "%l: f32[N, 1] = linear(%x, %w, %b)\n%z: f32[N, 1] = neg(%l) return %z",
    )


def test_all_attributes_and_all_operands_that_are_left() -> None:
    twice = law(
        "%a = reduce_sum(%x) {axes = a, **k} %z = neg(%a) return %z",
        "%n = neg(%x) %r = reduce_sum(%n) {**k, axes = a} return %r",
    )
    check(
        twice,
        "%a: f32[1, 3] = reduce_sum(%x) {axes = [0], keepdims = true}\n%z: f32[1, 3] = neg(%a) return %z",
        "%a: f32[N, 3] = neg(%x)\n%z: f32[1, 3] = reduce_sum(%a) {axes = [0], keepdims = true} return %z",
    )
    rest = law("%z = concat(%a, *%xs) {axis = i} return %z", "%r = concat(%a, %a, *%xs) {axis = i} return %r")
    node = graph("%z: f32[N, 9] = concat(%x, %y, %x) {axis = 1} return %z").outputs[0].node
    assert node is not None
    match = rest.match(node)
    assert match is not None
    assert [v.name for v in match.captured["%xs"]] == ["y", "x"]


def test_several_results() -> None:
    swap = law(
        "%a, %b = split(%x) {axis = i, sizes = s} %z = sub(%b, %a) return %z",
        "%a, %b = split(%x) {axis = i, sizes = s} %d = sub(%a, %b) %r = neg(%d) return %r",
    )
    parts = "%a: f32[2, 3, 2], %b: f32[2, 3, 2] = split(%m) {axis = 2, sizes = [2, 2]}\n"
    check(
        swap,
        parts + "%z: f32[2, 3, 2] = sub(%b, %a) return %z",
        parts + "%d: f32[2, 3, 2] = sub(%a, %b)\n%z: f32[2, 3, 2] = neg(%d) return %z",
    )
    one = law("%a = split(%x) {axis = i, sizes = s} return %a", "return %x")
    check(one, "%a: f32[N, 3] = split(%x) {axis = 1, sizes = [3]} return %a", "return a: %x")
    assert refusal(one, parts + "return %a") == "split has 2 results here, not 1"


def test_two_results_of_one_node_are_of_one_node() -> None:
    both = law("%a, %b = split(%x) {axis = i, sizes = s} %z = sub(%b, %a) return %z", "%r = neg(%x) return %r")
    parts = "split(%m) {axis = 2, sizes = [2, 2]}\n"
    assert "again" in refusal(
        both,
        f"%a: f32[2, 3, 2], %b: f32[2, 3, 2] = {parts} %c: f32[2, 3, 2], %d: f32[2, 3, 2] = {parts}"
        "%z: f32[2, 3, 2] = sub(%b, %c) return %z",
    )


def test_several_matches_are_alternatives() -> None:
    either = law("%z = maximum(%x, 0.0) return %z | %z = clip(%x, 0.0) return %z", "%r = relu(%x) return %r")
    zero = "%k = const f32[] 0.0\n"
    for form in ("maximum(%x, %k)", "maximum(%k, %x)", "clip(%x, %k)"):
        check(either, zero + f"%z: f32[N, 3] = {form} return %z", "%z: f32[N, 3] = relu(%x) return %z")


def test_attributes_are_worked_out() -> None:
    leaky = law(
        "%s = mul(%x, const %c) %z = maximum(%x, %s) return %z",
        "%r = leaky_relu(%x) {slope = number(%c) * 2 - number(%c) / 1.0} return %r",
        'where type(%z) == type(%x) else "c is no scalar" where number(%c) < 1 else "no slope"',
    )
    before = "%k = const f32[] {}\n%a: f32[N, 3] = mul(%x, %k)\n%z: f32[N, 3] = maximum(%x, %a) return %z"
    check(leaky, before.format(0.5), "%z: f32[N, 3] = leaky_relu(%x) {slope = 0.5} return %z")
    assert refusal(leaky, before.format(2.0)) == "no slope: 2.0 < 1 does not hold"
    sixth = law("%z = mul(%x, const %c) return %z", "%r = div(%x, 6.0) return %r", 'where near(%c, 1 / 6) else "no"')
    scaled = "%k = const f32[] {}\n%z: f32[N, 3] = mul(%x, %k) return %z"
    check(sixth, scaled.format(0.16666667), "%k = const f32[] 6.0\n%z: f32[N, 3] = div(%x, %k) return %z")
    assert refusal(sixth, scaled.format(0.17)) == "no: it is false"
    flat = law(
        "%a = reshape(%x) {shape = s} %z = neg(%a) return %z",
        "%n = neg(%x) %r = reshape(%n) {shape = [s[0], elements(%x) + (floordiv(4, 2) - 2), max(1, 1)]} return %r",
        'where shape(%z)[2] == 1 else "no column" where length(s) == 3 else "other rank"',
    )
    check(
        flat,
        "%a: f32[1, 24, 1] = reshape(%m) {shape = [1, 24, 1]}\n%z: f32[1, 24, 1] = neg(%a) return %z",
        "%a: f32[2, 3, 4] = neg(%m)\n%z: f32[1, 24, 1] = reshape(%a) {shape = [1, 24, 1]} return %z",
    )


HOLDS = [
    *("rank(%x) == 2", "rank(%x) != 3", "rank(%x) <= 2", "rank(%x) >= 2", "rank(%x) < 3", "rank(%x) > 1"),
    *("dtype(%x) in [f32, f16]", "dtype(%x) == f32", "type(%x) == type(%z)", "shape(%x)[0] == shape(%z)[0]"),
    *("shape(%x)[-1] == 3", "shape(%x)[0] >= 1", "shape(%x)[0] + 1 > shape(%x)[0]", "not constant(%x)"),
    *("uses(%x) == 1", "elements(%x) == shape(%x)[0] * 3", "mod(elements(%x), 3) == 0", "length(shape(%x)) == 2"),
    *("compose([1, 0], [1, 0]) == [0, 1]", "inverse([1, 2, 0]) == [2, 0, 1]", "join([1], [2]) == [1, 2]"),
    *("min(3, shape(%x)[1]) == 3", "max(4, 2) == 4", "floordiv(7, 2) == 3", '"a" in ["a", "b"]', "-1 < 0"),
    *("1 / 4 == 0.25", "(1 + 2) * 3 == 9", "true != 1", "shape(%x) != [2]", "none == none", "nan != nan"),
]
FAILS = {
    "rank(%x) == 3": "2 == 3 does not hold",
    "constant(%x)": "it is false",
    "shape(%x)[0] == 4": "N == 4 does not hold",
    "shape(%x)[0] != 4": "N != 4 does not hold",  # N may be 4
    "shape(%x)[0] <= 4": "N <= 4 does not hold",
    "dtype(%x) in [f16, bf16]": "f32 in [f16, bf16] does not hold",
    "number(%x) == 1": "%x: f32[N, 3] is not one constant number",
    "near(%x, 1.0)": "is not one constant number",
    "shape(%x)[2] == 1": "tuple index out of range",
    "shape(%x)[0][0] == 1": "N has no item 0",
    "rank(%x)": "2 is neither true nor false",
    '"a" < 1': "a and 1 have no order",
    '"a" + 1 == 2': "a + 1 is no arithmetic",
    "shape(%x)[0] * 1.5 == 2": "N * 1.5 is no arithmetic",
    "1 / 0 == 1": "division by zero",
    "compose([0], [1]) == [0]": "tuple index out of range",
    "inverse(1) == [0]": "1 is no list",
    "floordiv(1.5, 1) == 1": "1.5 is no size",
    "rank(%x) in 2": "2 is no list",
    "floordiv(shape(%x)[0], 0) == 1": "zero",
}


@pytest.mark.parametrize("condition", HOLDS)
def test_conditions_that_hold(condition: str) -> None:
    assert law("%z = neg(%x) return %z", "return %x", f'where {condition} else "no"').match(_neg()) is not None


@pytest.mark.parametrize(("condition", "reason"), FAILS.items())
def test_conditions_that_fail_with_a_reason(condition: str, reason: str) -> None:
    told = law("%z = neg(%x) return %z", "return %x", f'where {condition} else "too bad"').explain(_neg())
    assert told is not None
    assert told.startswith("too bad: ")
    assert reason in told


def test_every_function_is_tried() -> None:
    tried = " ".join([*HOLDS, *FAILS])
    assert [name for name in FUNCTIONS if f"{name}(" not in tried] == []


def test_absent_operands_are_told() -> None:
    clip = law("%z = clip(%x, optional %a) return %z", "return %x", 'where rank(%a) == 0 else "the bound"')
    assert refusal(clip, "%z: f32[N, 3] = clip(%x) return %z") == "the bound: %a is absent"


def _neg() -> Node:
    node = graph(NEG).outputs[0].node
    assert node is not None
    return node


def test_rules_run_by_name_of_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.rules").write_text(COMPOSE)
    text = "rewrite{rules=my.rules},dce"
    assert print_pipeline(parse_pipeline(text)) == text
    found = graph(TWICE)
    records = PassManager(parse_pipeline(text), check="numerics").run(found)
    assert records[0].fired == {"transpose of transpose composes": 1}


def test_rules_written_in_python_run_and_print(tmp_path: Path) -> None:
    each = Rewrite(parse_rules(COMPOSE))
    assert print_pipeline([each]) == 'rewrite{rules=["transpose of transpose composes"]}'
    PassManager([each], dump_dir=tmp_path).run(graph(NEG))
    with pytest.raises(PipelineError, match="option rules must be str"):
        parse_pipeline(print_pipeline([each]))


def test_wrong_files_are_told_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "my.rules"
    path.write_text(COMPOSE.replace("compose(", "composed("))
    with pytest.raises(PassError, match="no function is called 'composed'") as caught:
        PassManager([Rewrite(str(path))]).run(graph(NEG))
    assert f"{path}:10:32" in caught.value.where
    assert "did you mean compose" in caught.value.hint
    with pytest.raises(PassError, match="rewrite is given no rules"):
        PassManager([Rewrite()]).run(graph(NEG))


def test_a_replacement_that_does_not_fit_is_told() -> None:
    wrong = law("%z = neg(%x) return %z", "%r = reduce_sum(%x) {axes = [0]} return %r")
    with pytest.raises(PassError, match=r"'r' gives f32\[3\] for f32\[N, 3\]"):
        rewrite(graph(NEG), [wrong], PassContext())
    crashes = law("%z = neg(%x) return %z", "%r = softmax(%x) {axis = shape(%x)[7]} return %r")
    with pytest.raises(PassError, match="rule 'r' cannot build its replacement: IndexError: tuple index out of range"):
        rewrite(graph(NEG), [crashes], PassContext())


def test_rules_are_found_by_name() -> None:
    given = Rewrite((law("%z = neg(%x) return %z", "return %x"),))
    assert find_rule("r", [given]).name == "r"
    assert find_rule("transpose of transpose composes").name == "transpose of transpose composes"
    with pytest.raises(PipelineError) as caught:
        find_rule("transpose of transpose compose")
    assert "'transpose of transpose composes'" in caught.value.hint


def test_explain_tells_of_each_node_a_rule_could_start_at() -> None:
    (compose,) = parse_rules(COMPOSE)
    found = graph(TWICE)
    first, second = explain(compose, found)
    assert str(first).endswith("%x: f32[N, 3] is not made by transpose")
    assert second.as_dict()["fires"] is True
