"""Laws that do not hold for every number, for those who ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from isthmus.ir.graph import Graph
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.rewrite import rewrite
from isthmus.passes.rules import APPROXIMATE


@dataclass(frozen=True)
class Relax(Pass):
    """Applies approximate laws: x + 0.0 may lose the sign of zero, log(softmax) becomes finite."""

    name: ClassVar[str] = "relax"

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Runs the rewrite driver."""
        return rewrite(graph, APPROXIMATE, ctx)
