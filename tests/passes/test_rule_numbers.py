"""Every rule on graphs drawn from its own pattern, or from its cases where those are too rare: numbers must stay.

Element types, shapes, attributes and constants are drawn; the rule runs alone. What counts as the same numbers is
explained in `tests.support.conditioning`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from isthmus.ir import parse, print_graph, verify
from isthmus.ir.builder import make_constant
from isthmus.ir.errors import EvaluationError, IsthmusError, NumbersMoved
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import Array
from isthmus.passes.base import PassContext
from isthmus.passes.cases import read_cases, run_case
from isthmus.passes.manager import PassManager
from isthmus.passes.numerics import Inputs, samples
from isthmus.passes.rewrite import rewrite
from isthmus.passes.rewrite_pass import Rewrite
from isthmus.passes.rule import Rule, exact, rule
from isthmus.passes.rules import shipped
from tests.support.conditioning import truth
from tests.support.instances import instances

EXAMPLES = 30
ENOUGH = 5
"""So many graphs must have been rewritten for a rule to count as tried."""
_GROWING = ("exp", "mul", "add", "sub", "pow", "reduce_sum", "reduce_mean", "matmul", "linear", "conv", "cast")
STEADY = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
MINUS_IS_COMMUTATIVE = rule(
    "x minus y is y minus x",
    exact,
    match=lambda b, x, y: b.sub(x, b.neg(y)),
    replace=lambda b, x, y: b.sub(b.neg(y), x),
)


@pytest.mark.parametrize("each", shipped(), ids=lambda each: each.name)
def test_rules_keep_the_numbers(each: Rule) -> None:
    tried = _try(each, instances(each))
    if tried < ENOUGH:
        texts, finite = _firing_cases()[each.name]
        tried += _try(each, _variants(texts), finite)
    assert tried >= ENOUGH, f"only {tried} graphs were rewritten"


def test_a_wrong_rule_is_caught() -> None:
    with pytest.raises(AssertionError, match="x minus y is y minus x moves"):
        _try(MINUS_IS_COMMUTATIVE, instances(MINUS_IS_COMMUTATIVE))
    graph = parse("graph @g(%x: f32[N], %y: f32[N]) {\n %a: f32[N] = neg(%y)\n %b: f32[N] = sub(%x, %a)\n return %b\n}")
    with pytest.raises(NumbersMoved, match="moves output 'b'"):
        PassManager([Rewrite(rules=(MINUS_IS_COMMUTATIVE,))], check="numerics").run(graph)


def _try(each: Rule, graphs: st.SearchStrategy[Graph | None], finite: bool = False) -> int:
    """How many of the drawn graphs the rule rewrote, keeping their numbers."""
    tried = 0

    @STEADY
    @given(graphs)
    def run(graph: Graph | None) -> None:
        nonlocal tried
        tried += graph is not None and _rewrites(each, graph, hostile=each.exactness is exact and not finite)

    run()
    return tried


def _rewrites(each: Rule, graph: Graph, hostile: bool) -> bool:
    """Whether the rule fires. AssertionError where it moves the numbers."""
    ctx, after = PassContext(), graph.copy()
    if not rewrite(after, [each], ctx):
        return False
    verify(after)
    ran = False
    for inputs in samples(graph, hostile=hostile):
        if _overflows(graph, inputs) or (known := truth(graph, inputs)) is None:
            continue
        found, ran = evaluate(after, inputs), True
        wrong = {name: why for name, wanted in known.items() if (why := wanted.disagreement(found[name]))}
        assert not wrong, f"{each.name} moves {wrong} for {inputs}\n{print_graph(graph)}\n{print_graph(after)}"
    return ran


def _overflows(graph: Graph, inputs: Inputs) -> bool:
    """Whether a step grows beyond its type on the way: laws may let that vanish or come elsewhere."""
    infinite: dict[Value, bool] = {}

    def observe(value: Value, array: Array) -> None:
        infinite[value] = value.dtype.is_float and bool(np.isinf(array.astype(np.float64)).any())

    try:
        evaluate(graph, inputs, observe=observe)
    except EvaluationError:
        return True
    growing = (node for node in graph.nodes if node.op.name in _GROWING and infinite[node.result])
    return any(not any(infinite[v] for v in node.inputs) for node in growing)


@cache
def _firing_cases() -> dict[str, tuple[list[str], bool]]:
    """Rule -> the graphs of the cases where it fires, and whether one of them leaves hostile inputs out."""
    found: dict[str, tuple[list[str], bool]] = {}
    for path in sorted(Path(__file__).parent.glob("*.cases")):
        for case in read_cases(path):
            for name in run_case(case) if case.reason is None else ():
                texts, finite = found.get(name, ([], False))
                found[name] = [*texts, case.before], finite or case.finite
    return found


@st.composite
def _variants(draw: st.DrawFn, texts: list[str]) -> Graph | None:
    """A case's graph in another element type, with other constants: vectors are scaled, numbers stay."""
    dtype = draw(st.sampled_from(("f32", "f32", "f64", "f16", "bf16")))
    text = re.sub(r"\bf32\b", dtype, draw(st.sampled_from(texts)))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    try:
        graph = parse(text)
    except IsthmusError:
        return None
    if draw(st.booleans()):
        _redraw(graph, lambda shape: rng.uniform(0.5, 1.5, shape))
    return graph


def _redraw(
    graph: Graph, factors: Callable[[tuple[int, ...]], np.ndarray[tuple[int, ...], np.dtype[np.float64]]]
) -> None:
    for node in graph.nodes:
        array = node.results[0].array if node.results else None
        if array is not None and array.ndim and node.result.dtype.is_float:
            scaled = array.astype(np.float64) * factors(array.shape)
            node.attrs = {"data": make_constant(scaled, node.result.dtype)}
