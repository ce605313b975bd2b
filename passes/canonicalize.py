"""Canonical forms: every law that makes a graph simpler without naming larger ops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from isthmus.ir.graph import Graph
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.rewrite import rewrite
from isthmus.passes.rules import CANONICAL


@dataclass(frozen=True)
class Canonicalize(Pass):
    """Simplifies by exact laws until none applies: neutral elements, chains of reshapes, casts, slices and the like."""

    name: ClassVar[str] = "canonicalize"

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Runs the rewrite driver."""
        return rewrite(graph, CANONICAL, ctx)
