"""A user's own laws, from a file or from Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from isthmus.ir.errors import PipelineError
from isthmus.ir.graph import Graph
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.rewrite import rewrite
from isthmus.passes.rule import Rule
from isthmus.passes.rule_text import load_rules


@dataclass(frozen=True)
class Rewrite(Pass):
    """Applies your own rules until none fires: those of a `.rules` file, or in Python a tuple of `Rule` values."""

    name: ClassVar[str] = "rewrite"
    rules: str | tuple[Rule, ...] = ()

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Runs the rewrite driver. TextError for a file that does not hold rules, PipelineError without rules."""
        return rewrite(graph, self.chosen(), ctx)

    def chosen(self) -> tuple[Rule, ...]:
        """The rules themselves."""
        if not self.rules:
            raise PipelineError("rewrite is given no rules", hint="rewrite{rules=my.rules}")
        return load_rules(self.rules) if isinstance(self.rules, str) else self.rules
