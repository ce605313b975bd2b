"""Patterns and rules: what they capture, what they refuse and why, and how a wrong one is reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from isthmus.ir.builder import Builder
from isthmus.ir.errors import RuleError
from isthmus.ir.graph import Node, Value
from isthmus.ir.parser import parse
from isthmus.passes.rule import Match, Rule, exact, rule


def _graph(body: str) -> Node:
    """The node that makes the output of a graph over %x, %y: f32[N, 3]."""
    node = parse(f"graph @g(%x: f32[N, 3], %y: f32[N, 3]) {{\n{body}\n return %z\n}}").outputs[0].node
    assert node is not None
    return node


def _rule(match: Callable[..., Any], **rest: Any) -> Rule:
    return rule("r", exact, match=match, replace=rest.pop("replace", lambda b, root: root.result), **rest)


def _match(pattern: Callable[..., Any], body: str, **rest: Any) -> Match:
    found = _rule(pattern, **rest).match(_graph(body))
    assert found is not None
    return found


def _names(match: Match) -> dict[str, object]:
    return {name: v.name if isinstance(v, Value) else v for name, v in match.captured.items()}


def test_variables_capture_operands_and_attributes() -> None:
    found = _match(lambda b, x, p: b.transpose(x, perm=p), "%z: f32[3, N] = transpose(%x) {perm = [1, 0]}")
    assert _names(found) == {"x": "x", "p": (1, 0)}


def test_a_variable_met_twice_is_one_value() -> None:
    square = _rule(lambda b, x: b.mul(x, x))
    assert square.match(_graph("%z: f32[N, 3] = mul(%x, %x)"))
    assert (
        square.explain(_graph("%z: f32[N, 3] = mul(%x, %y)"))
        == "x is %x: f32[N, 3] in one place and %y: f32[N, 3] in another"
    )


def test_commutative_ops_match_both_ways_with_backtracking() -> None:
    pattern = lambda b, x, y: b.mul(b.neg(x), b.neg(b.neg(y)))  # noqa: E731
    body = "%a: f32[N, 3] = neg(%x)\n%b: f32[N, 3] = neg(%a)\n%c: f32[N, 3] = neg(%y)\n%z: f32[N, 3] = mul(%b, %c)"
    assert _names(_match(pattern, body)) == {"x": "y", "y": "x"}
    assert (
        _rule(lambda b, x, y: b.sub(b.neg(x), y)).match(_graph("%a: f32[N, 3] = neg(%y)\n%z: f32[N, 3] = sub(%x, %a)"))
        is None
    )


def test_the_rest_of_the_attributes_is_captured_as_a_dict() -> None:
    found = _match(lambda b, x, k: b.reduce_sum(x, axes=(1,), **k), "%z: f32[N] = reduce_sum(%x) {axes = [1]}")
    assert found.captured["k"] == {"keepdims": False}


def test_the_rest_of_the_operands_is_captured_as_a_tuple() -> None:
    found = _match(lambda b, xs, a: b.concat(*xs, axis=a), "%z: f32[N, 9] = concat(%x, %y, %x) {axis = 1}")
    assert [v.name for v in found.captured["xs"]] == ["x", "y", "x"]


def test_an_attribute_not_mentioned_has_its_default() -> None:
    slope = _rule(lambda b, x: b.leaky_relu(x))
    assert slope.match(_graph("%z: f32[N, 3] = leaky_relu(%x)"))
    assert (
        slope.explain(_graph("%z: f32[N, 3] = leaky_relu(%x) {slope = 0.5}")) == "leaky_relu has slope = 0.5, not 0.01"
    )


def test_optional_operands_and_alternatives() -> None:
    pattern = lambda b, x, low, high: b.clip(b.any_of(b.neg(x), b.abs(x)), b.optional(low), b.const(high))  # noqa: E731
    found = _match(pattern, "%c = const f32[] 1.0\n%a: f32[N, 3] = abs(%x)\n%z: f32[N, 3] = clip(%a, none, %c)")
    assert _names(found) == {"x": "x", "low": None, "high": "c"}


def test_numbers_match_constants_that_hold_nothing_else() -> None:
    half = _rule(lambda b, x: b.mul(x, 0.5))
    assert half.match(_graph("%c = const f32[3] [0.5, 0.5, 0.5]\n%z: f32[N, 3] = mul(%c, %x)"))
    assert half.match(_graph("%c = const f32[3] [0.5, 0.5, 1.0]\n%z: f32[N, 3] = mul(%c, %x)")) is None


def test_numbers_beyond_a_type_are_in_no_constant_of_it() -> None:
    body = "%c = const i8[] 44\n%x8: i8[N, 3] = cast(%x) {dtype = i8}\n%z: i8[N, 3] = mul(%x8, %c)"
    assert _rule(lambda b, x: b.mul(x, 44)).match(_graph(body))
    assert _rule(lambda b, x: b.mul(x, 300)).match(_graph(body)) is None


def test_one_result_of_several() -> None:
    pattern = lambda b, x, a, s: b.neg(b.split(x, axis=a, sizes=s)[1])  # noqa: E731
    split = "%a: f32[N, 1], %b: f32[N, 2] = split(%x) {axis = 1, sizes = [1, 2]}\n"
    assert _match(pattern, split + "%z: f32[N, 2] = neg(%b)").captured["s"] == (1, 2)
    assert "is not result 1 of split" in (_rule(pattern).explain(_graph(split + "%z: f32[N, 1] = neg(%a)")) or "")


def test_values_inside_a_match_may_not_be_used_outside_unless_shared() -> None:
    body = "%a: f32[N, 3] = neg(%x)\n%b: f32[N, 3] = abs(%a)\n%c: f32[N, 3] = exp(%a)\n%z: f32[N, 3] = mul(%b, %c)"
    node = _graph(body).inputs[0].node
    assert node is not None
    assert _rule(lambda b, x: b.abs(b.neg(x))).explain(node) == "%a: f32[N, 3] is used elsewhere too"
    assert _rule(lambda b, x: b.abs(b.neg(x)), shared=True).match(node)


def test_a_pattern_used_twice_is_one_value_with_two_uses() -> None:
    def square_of_negative(b: Any, x: Any) -> Any:
        negative = b.neg(x)
        return b.mul(negative, negative)

    assert _match(square_of_negative, "%a: f32[N, 3] = neg(%x)\n%z: f32[N, 3] = mul(%a, %a)")
    twins = "%a: f32[N, 3] = neg(%x)\n%b: f32[N, 3] = neg(%x)\n%z: f32[N, 3] = mul(%a, %b)"
    assert _rule(square_of_negative).match(_graph(twins)) is None


def test_conditions_refuse_with_a_reason() -> None:
    wide = _rule(lambda b, x: b.neg(x), where=lambda x, root: "too narrow" if root.result.shape[1] == 3 else None)
    assert wide.explain(_graph("%z: f32[N, 3] = neg(%x)")) == "too narrow"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (lambda b, x: b.transpose(x), "says nothing of perm"),
        (lambda b, x: b.transposed(x), "'transposed', which the op table has not"),
        (lambda b, x: b.neg(x, axis=1), "neg has no attribute 'axis'"),
        (lambda b, x: b.softmax(x, axis="last"), "attribute axis must be int"),
        (lambda b, x: b.neg("x"), "cannot stand for an operand"),
        (lambda b, x: x, "a pattern must be an op"),
        (lambda b, x: b.neg(x)[0], "neg has one result"),
        (lambda b, x: b.add(*x), "must be the last operand of an op that takes any number"),
        (lambda b, x: b.relu(x, x), "a pattern gives relu 2 operands"),
        (lambda b, x: b.add(x), "a pattern with add says nothing of operand y"),
        (lambda b, x: b.add(None, x), "a pattern with add says nothing of operand x"),
        (lambda b, x, y: b.relu(x), "the pattern never uses 'y'"),
        (lambda b, x: b.neg(b.const(1.0)), "const(1.0) captures nothing"),
    ],
)
def test_wrong_patterns_are_refused_where_they_are_written(pattern: Callable[..., Any], reason: str) -> None:
    with pytest.raises(RuleError, match="rule 'r'") as caught:
        _rule(pattern)
    assert reason in str(caught.value)


def test_replacements_may_ask_only_for_what_is_captured() -> None:
    def replace(b: Builder, y: Value) -> Value:
        return y

    with pytest.raises(RuleError, match="'y' is not captured"):
        _rule(lambda b, x: b.neg(x), replace=replace)
