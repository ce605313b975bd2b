"""The pass: f32 graphs in, graphs whose every value has the type it is worth out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from isthmus.ir.graph import Graph, Node
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.precision.accuracy import AccuracyReport
from isthmus.passes.precision.borders import carry_out
from isthmus.passes.precision.decisions import PrecisionDecision, PrecisionSummary
from isthmus.passes.precision.draw import profile_drawn
from isthmus.passes.precision.guards import Facts
from isthmus.passes.precision.narrow import NARROW
from isthmus.passes.precision.plan import Plan, make_plan
from isthmus.passes.precision.profile import Profile, Sample, profile
from isthmus.passes.precision.refine import refine


@dataclass(frozen=True)
class LowerPrecision(Pass):
    """Computes in a narrow float type where that is worth it and safe, and records why a node stays in f32.

    Inputs and outputs keep their types. Ranges and errors are measured on the samples the pass manager was given, else
    on `seeded` drawn inputs; with neither, only what constants and bounded ops tell is known. `rounds` bounds the
    search for nodes to keep where the outputs' error is above `aim` (0: what is usual for the type). Nodes whose op or
    result is named in `keep` stay in f32.
    """

    name: ClassVar[str] = "lower-precision"
    rounds_numbers: ClassVar[bool] = True
    dtype: Literal["f16", "bf16"] = "f16"
    seeded: int = 0
    aim: float = 0.0
    rounds: int = 4
    keep: tuple[str, ...] = ()

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Decide, measure if there is something to measure with, and carry out."""
        narrow = NARROW[self.dtype]
        samples, reference = self._measured(graph, ctx)
        kept = {node: "asked for by keep=" for node in graph.walk() if self._is_kept(node)}
        accuracy: AccuracyReport | None = None
        if samples:
            found = refine(graph, narrow, samples, reference, self.aim or narrow.aim, self.rounds, kept)
            plan = found.plan
            accuracy = AccuracyReport.of(graph, found.comparison, len(samples))
        else:
            plan = make_plan(graph, narrow, Facts.of(graph), kept)
        masks = tuple(f"%{node.results[0].name or '_'}" for node in plan.masks)
        casts = carry_out(graph, plan)
        ctx.precision = PrecisionSummary(self.dtype, len(plan.low), _decisions(plan), casts, masks, accuracy)
        return bool(plan.low)

    def _is_kept(self, node: Node) -> bool:
        return node.op.name in self.keep or any(r.name in self.keep for r in node.results)

    def _measured(self, graph: Graph, ctx: PassContext) -> tuple[Sequence[Sample], Profile]:
        if ctx.samples:
            return ctx.samples, profile(graph, ctx.samples)
        return profile_drawn(graph, self.seeded) if self.seeded else ((), Profile())


def _decisions(plan: Plan) -> tuple[PrecisionDecision, ...]:
    return tuple(PrecisionDecision.about(node, "f32", reason) for node, reason in plan.reasons.items())
