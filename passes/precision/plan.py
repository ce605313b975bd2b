"""Which nodes go low: the ops' policies and the numbers' guards, then what flows between them. Linear in the nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.precision import Policy
from isthmus.ir.types import F32
from isthmus.passes.precision import guards, policy
from isthmus.passes.precision.exposed import exposed
from isthmus.passes.precision.guards import Facts, graphs
from isthmus.passes.precision.narrow import Narrow

TAKES_HIGH = "what it takes is in f32"
GIVES_HIGH = "only f32 nodes and outputs use it"


@dataclass
class Plan:
    """Which nodes are to compute in the narrow type, and why the others that make f32 do not."""

    narrow: Narrow
    low: set[Node] = field(default_factory=set)
    reasons: dict[Node, str] = field(default_factory=dict)
    masks: dict[Node, int] = field(default_factory=dict)
    """Low nodes with the operand that is an additive mask, whose numbers end where the narrow type does."""

    def translate(self, twins: Mapping[Node, Node]) -> Plan:
        """The same plan for a copy of the graph."""
        masks = {twins[node]: slot for node, slot in self.masks.items()}
        reasons = {twins[node]: reason for node, reason in self.reasons.items()}
        return Plan(self.narrow, {twins[node] for node in self.low}, reasons, masks)


def make_plan(graph: Graph, narrow: Narrow, facts: Facts, kept: Mapping[Node, str] | None = None) -> Plan:
    """Decide for every node of the graph and its regions; `kept` are nodes to stay high, with reasons."""
    plan = Plan(narrow)
    for each in graphs(graph):
        _plan_one(each, plan, facts, kept or {})
    return plan


def _plan_one(graph: Graph, plan: Plan, facts: Facts, kept: Mapping[Node, str]) -> None:
    concerned = [node for node in graph.nodes if node.op.name != "const" and _float_values(node)]
    follows: set[Node] = set()
    bare = exposed(graph) if plan.narrow.is_coarse else {}
    for node in concerned:
        reason = kept.get(node) or policy.refusal(node, plan.narrow, facts) or guards.refusal(node, plan.narrow, facts)
        reason = reason or bare.get(node)
        if reason is not None:
            plan.reasons[node] = reason
        elif policy.wants(node) is Policy.LOW:
            plan.low.add(node)
        elif _takes_low(node, plan):
            plan.low.add(node)
            follows.add(node)
        else:
            plan.reasons[node] = TAKES_HIGH
    for node in reversed(concerned):
        if node in follows and not _moves_low(node, plan) and not _is_used_low(node, plan):
            plan.low.discard(node)
            plan.reasons[node] = GIVES_HIGH
    for node in concerned:
        if node not in plan.low:
            _forget_unmoved(node, plan)
        elif (slot := guards.mask_slot(node, plan.narrow, facts)) is not None:
            plan.masks[node] = slot


def _is_used_low(node: Node, plan: Plan) -> bool:
    return any(user in plan.low for r in node.results for user in r.users)


def _moves_low(node: Node, plan: Plan) -> bool:
    """Whether the node only moves elements that are all low: in f32 it would move twice the bytes and gain no digit."""
    return node.op.family == "shape" and all(v.node in plan.low for v in node.inputs if v.dtype == F32)


def _takes_low(node: Node, plan: Plan) -> bool:
    """Some operand comes low; or all are constants, which cost nothing to convert."""
    variable = [v for v in node.inputs if v.dtype == F32 and v.constant is None]
    if not any(r.dtype == F32 for r in node.results):
        return bool(variable) and all(v.node in plan.low for v in variable)
    return any(v.node in plan.low for v in variable) or (not variable and bool(node.inputs))


def _forget_unmoved(node: Node, plan: Plan) -> None:
    """A node that makes no f32 and was not refused has nothing to report."""
    if plan.reasons.get(node) in (TAKES_HIGH, GIVES_HIGH) and not any(r.dtype == F32 for r in node.results):
        del plan.reasons[node]


def _float_values(node: Node) -> list[Value]:
    return [v for v in (*node.inputs, *node.results) if v.dtype == F32]
