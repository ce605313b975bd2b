"""The search: lower, measure, keep the worst offenders in f32 with the measured reason, and try again, a few times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isthmus.ir.graph import Graph, Node, Value
from isthmus.passes.precision.borders import carry_out
from isthmus.passes.precision.compare import Comparison, compare
from isthmus.passes.precision.guards import Facts
from isthmus.passes.precision.narrow import Narrow
from isthmus.passes.precision.plan import Plan, make_plan
from isthmus.passes.precision.profile import Profile, Sample

_GROWTH = 4.0
"""A node whose result is this many times worse than what it takes is an offender."""
_AT_ONCE = 16
"""How many offenders a round keeps."""


@dataclass(frozen=True)
class Refined:
    """The plan that came closest, and how close."""

    plan: Plan
    comparison: Comparison
    rounds: int


def refine(
    graph: Graph,
    narrow: Narrow,
    samples: Sequence[Sample],
    reference: Profile,
    bound: float,
    rounds: int,
    keep: Mapping[Node, str],
) -> Refined:
    """The best plan for `graph` whose outputs stay within `bound` on the samples, in at most `rounds` more tries.

    `keep` are nodes that stay high from the start, with reasons.
    `reference` is the graph's profile on the samples; each try runs the lowered graph once a sample. Where no try is
    good enough, the best one is returned: its comparison says how good it is.
    """
    facts = Facts.of(graph, reference)
    kept = dict(keep)
    best: Refined | None = None
    for tried in range(rounds + 1):
        plan = make_plan(graph, narrow, facts, kept)
        lowered, nodes, values = _twin(graph)
        carry_out(lowered, plan.translate(nodes))
        found = Refined(plan, compare(reference, lowered, samples, values), tried)
        if best is None or found.comparison.error < best.comparison.error:
            best = found
        more = {} if found.comparison.error <= bound else offenders(graph, found, bound)
        if not more:
            break
        kept.update(more)
    assert best is not None
    return best


def offenders(graph: Graph, found: Refined, bound: float) -> dict[Node, str]:
    """Nodes to keep high next, with measured reasons: those that break first, else those where the error grows most."""
    comparison, plan = found.comparison, found.plan
    nodes = [node for node in graph.walk() if node.op.name != "const"]
    if broken := [node for node in nodes if _breaks(node, comparison)]:
        return _to_keep(broken, plan, lambda node: "makes infinities or NaN where f32 has numbers, as measured")
    jumps = [node for node in nodes if comparison.made(node) > bound / 2 and _grows(node, found)]
    jumps.sort(key=lambda node: comparison.taken(node) - comparison.made(node))
    return _to_keep(
        jumps[:_AT_ONCE],
        plan,
        lambda node: f"relative error {comparison.made(node):.2g} from {comparison.taken(node):.2g}, as measured",
    )


def _breaks(node: Node, comparison: Comparison) -> bool:
    return any(r in comparison.broken for r in node.results) and not any(v in comparison.broken for v in node.inputs)


def _grows(node: Node, found: Refined) -> bool:
    made, taken = found.comparison.made(node), found.comparison.taken(node)
    return made > _GROWTH * max(taken, found.plan.narrow.ulp)


def _to_keep(nodes: Sequence[Node], plan: Plan, reason: object) -> dict[Node, str]:
    """The offenders; where one is in f32 already, the low nodes it takes its rounding from."""
    assert callable(reason)
    kept: dict[Node, str] = {}
    for node in nodes:
        if node in plan.low:
            kept[node] = reason(node)
            continue
        for value in node.inputs:
            if value.node in plan.low:
                assert value.node is not None
                kept[value.node] = f"its rounding grows in %{node.results[0].name or '_'}: {reason(node)}"
    return kept


def _twin(graph: Graph) -> tuple[Graph, dict[Node, Node], dict[Value, Value]]:
    """A copy, each original node's twin, and each twin value's original; regions included."""
    copy = graph.copy()
    nodes: dict[Node, Node] = {}
    values: dict[Value, Value] = dict(zip(copy.inputs, graph.inputs, strict=True))
    for node, twin in zip(graph.walk(), copy.walk(), strict=True):
        nodes[node] = twin
        values.update(zip(twin.results, node.results, strict=True))
    return copy, nodes, values
