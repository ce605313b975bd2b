"""The rewrite driver: order, bounds, what replaced nodes remember, and what a wrong rule leads to."""

from __future__ import annotations

import pytest

from isthmus.ir.errors import NumbersMoved, PassError, RewriteLoop
from isthmus.ir.graph import Graph, Loc
from isthmus.ir.parser import parse
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.manager import PassManager
from isthmus.passes.rewrite import explain, rewrite
from isthmus.passes.rewrite_pass import Rewrite
from isthmus.passes.rule import Rule, exact, rule

ABS = rule("abs of neg is abs", exact, match=lambda b, x: b.abs(b.neg(x)), replace=lambda b, x: b.abs(x))
BODY = '%a: f32[N] = neg(%x) @onnx("neg")\n %z: f32[N] = abs(%a) @onnx("abs") by("earlier")\n return %z\n'


def _graph(body: str = BODY) -> Graph:
    return parse(f"graph @g(%x: f32[N]) {{\n {body}}}")


def _rewritten(graph: Graph, *rules: Rule) -> PassContext:
    ctx = PassContext()
    rewrite(graph, rules, ctx)
    return ctx


def test_a_replacement_keeps_name_sources_and_history() -> None:
    graph = _graph()
    assert _rewritten(graph, ABS).fired == {"abs of neg is abs": 1}
    (node,) = graph.nodes
    assert node.result.name == "z"
    assert node.loc == Loc("onnx", ("abs", "neg"))
    assert node.origin == ("earlier", "abs of neg is abs")


def test_bodies_of_regions_are_rewritten_too() -> None:
    graph = parse(
        "graph @g(%c: bool[], %x: f32[N]) {\n"
        " %z: f32[N] = if(%c, %x) then (%a: f32[N]) {\n"
        "  %b: f32[N] = neg(%a)\n %d: f32[N] = abs(%b)\n return %d\n }"
        " else (%a: f32[N]) {\n  return %a\n }\n return %z\n}"
    )
    _rewritten(graph, ABS)
    assert [node.op.name for node in graph.walk()] == ["if", "abs"]


def test_rules_that_undo_each_other_are_named() -> None:
    there = rule("neg is a product", exact, match=lambda b, x: b.neg(x), replace=lambda b, x: b.mul(x, -1.0))
    back = rule("a product is neg", exact, match=lambda b, x: b.mul(x, -1.0), replace=lambda b, x: b.neg(x))
    with pytest.raises(RewriteLoop, match=r"'(neg is a product|a product is neg)' fired"):
        _rewritten(_graph(), there, back)


def test_a_replacement_of_another_type_is_refused() -> None:
    wrong = rule("neg is a sum", exact, match=lambda b, x: b.neg(x), replace=lambda b, x: b.reduce_sum(x, axes=(0,)))
    with pytest.raises(PassError, match=r"'neg is a sum' gives f32\[\] for f32\[N\]"):
        _rewritten(_graph(), wrong)


def test_a_replacement_that_cannot_be_built_names_its_rule() -> None:
    wrong = rule("neg is nonsense", exact, match=lambda b, x: b.neg(x), replace=lambda b, x: b.matmul(x, 1.0))
    with pytest.raises(PassError, match="'neg is nonsense' cannot build its replacement"):
        _rewritten(_graph(), wrong)


@pytest.mark.parametrize(
    ("made", "reason"), [(None, "gives None, which is no value"), (0.5, "gives 0.5, which is no value")]
)
def test_a_replacement_gives_values(made: object, reason: str) -> None:
    wrong = rule("neg is nothing", exact, match=lambda b, x: b.neg(x), replace=lambda b, x: made)
    with pytest.raises(PassError, match=f"'neg is nothing' {reason}") as caught:
        _rewritten(_graph(), wrong)
    assert "%a: f32[N] = neg(%x)" in caught.value.where


def test_a_condition_that_fails_names_its_rule_and_the_node() -> None:
    wrong = rule("r", exact, match=lambda b, x: b.neg(x), replace=lambda b, x: x, where=lambda x: bool(1 // 0))
    with pytest.raises(PassError, match="'r' cannot tell whether its condition holds: ZeroDivisionError") as caught:
        _rewritten(_graph(), wrong)
    assert caught.value.where.startswith("%a: f32[N] = neg(%x)")


def test_explain_tells_the_deepest_reason() -> None:
    (node,) = _graph("%z: f32[N] = abs(%x)\n return %z\n").nodes
    assert explain(ABS, node) == "%x: f32[N] is not made by neg"


class _Swaps(Pass):
    """A wrong law: sub does not commute."""

    name = "swaps"

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        law = rule(
            "x - y is y - x",
            exact,
            match=lambda b, x, y: b.sub(x, b.abs(y)),
            replace=lambda b, x, y: b.sub(b.abs(y), x),
        )
        return rewrite(graph, [law], ctx)


def test_numerics_catch_a_wrong_law() -> None:
    graph = _graph("%a: f32[N] = abs(%x)\n %z: f32[N] = sub(%x, %a)\n return %z\n")
    PassManager([_Swaps()]).run(graph.copy())
    with pytest.raises(NumbersMoved, match="swaps moves output 'z'"):
        PassManager([_Swaps()], check="numerics").run(graph)


def test_numerics_draw_integers_of_both_signs() -> None:
    graph = parse("graph @g(%x: i32[N]) {\n %z: i32[N] = abs(%x)\n return %z\n}")
    wrong = rule("abs is nothing", exact, match=lambda b, x: b.abs(x), replace=lambda b, x: b.neg(b.neg(x)))
    with pytest.raises(NumbersMoved, match="rewrite moves output 'z'"):
        PassManager([Rewrite(rules=(wrong,))], check="numerics").run(graph)
