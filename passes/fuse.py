"""Fusion: several nodes become one larger op of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from isthmus.ir.graph import Graph
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.rewrite import rewrite
from isthmus.passes.rules import FUSIONS, select


@dataclass(frozen=True)
class Fuse(Pass):
    """Makes larger ops by exact laws: norms and padding into convolutions, bias into products, gelu from its parts ...

    `only` picks families (activation, norm, conv, linear, attention); none picks all.
    """

    name: ClassVar[str] = "fuse"
    only: tuple[str, ...] = ()

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Runs the rewrite driver. PipelineError for an unknown family."""
        return rewrite(graph, select(FUSIONS, self.only), ctx)
