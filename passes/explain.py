"""Why rules do not fire: for a whole graph what `Rule.explain` says of a node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from isthmus.ir.errors import PipelineError
from isthmus.ir.graph import Graph, Node
from isthmus.passes.base import Pass
from isthmus.passes.rewrite_pass import Rewrite
from isthmus.passes.rule import Rule
from isthmus.passes.rules import shipped


@dataclass(frozen=True)
class Explanation:
    """A node where a rule could start, and why it does not fire there; None where it does."""

    node: Node
    reason: str | None

    def as_dict(self) -> dict[str, Any]:
        """The explanation in plain strings."""
        source = None if self.node.loc is None else str(self.node.loc)
        return {"node": repr(self.node), "source": source, "fires": self.reason is None, "reason": self.reason}

    def __str__(self) -> str:
        source = f" ({self.node.loc})" if self.node.loc else ""
        return f"{self.node!r}{source}: {self.reason or 'it fires here'}"


def explain(rule: Rule, graph: Graph) -> list[Explanation]:
    """One explanation for each node, regions included, whose op is a root of the rule."""
    return [Explanation(node, rule.explain(node)) for node in graph.walk() if node.op.name in rule.roots]


def find_rule(name: str, passes: Iterable[Pass] = ()) -> Rule:
    """The rule called `name`, of `passes` or of ours. PipelineError where there is none."""
    given = [rule for each in passes if isinstance(each, Rewrite) for rule in each.chosen()]
    known = {rule.name: rule for rule in (*shipped(), *given)}
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "name your rules' file in the pipeline"
        raise PipelineError(f"no rule is called {name!r}", hint=hint)
    return known[name]
