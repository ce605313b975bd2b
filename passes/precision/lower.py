"""The pass: f32 graphs in, graphs whose every value has the type it is worth out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from isthmus.ir.graph import Graph
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.numerics import seeded_inputs
from isthmus.passes.precision.accuracy import AccuracyReport
from isthmus.passes.precision.borders import carry_out
from isthmus.passes.precision.decisions import PrecisionDecision, PrecisionSummary
from isthmus.passes.precision.guards import Facts
from isthmus.passes.precision.narrow import NARROW
from isthmus.passes.precision.plan import Plan, make_plan
from isthmus.passes.precision.profile import Sample
from isthmus.passes.precision.refine import refine


@dataclass(frozen=True)
class LowerPrecision(Pass):
    """Computes in a narrow float type where that is worth it and safe, and records why a node stays in f32.

    Inputs and outputs keep their types. Ranges and errors are measured on the samples the pass manager was given, else
    on `seeded` drawn inputs; with neither, only what constants and bounded ops tell is known. `rounds` bounds the
    search for nodes to keep where the outputs' error is above `aim` (0: what is usual for the type).
    """

    name: ClassVar[str] = "lower-precision"
    dtype: Literal["f16", "bf16"] = "f16"
    seeded: int = 0
    aim: float = 0.0
    rounds: int = 4

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Decide, measure if there is something to measure with, and carry out."""
        narrow = NARROW[self.dtype]
        samples = self._samples(graph, ctx)
        accuracy: AccuracyReport | None = None
        if samples:
            found = refine(graph, narrow, samples, self.aim or narrow.aim, self.rounds)
            plan = found.plan
            accuracy = AccuracyReport.of(graph, found.comparison, narrow, len(samples))
        else:
            plan = make_plan(graph, narrow, Facts.of(graph))
        kept = _decisions(plan)
        lowered = sum(node.op.name != "const" for node in plan.low)
        ctx.precision = PrecisionSummary(self.dtype, lowered, kept, carry_out(graph, plan), accuracy)
        return bool(plan.low)

    def _samples(self, graph: Graph, ctx: PassContext) -> Sequence[Sample]:
        return ctx.samples or [seeded_inputs(graph, seed) for seed in range(self.seeded)]


def _decisions(plan: Plan) -> tuple[PrecisionDecision, ...]:
    return tuple(PrecisionDecision.about(node, "f32", reason) for node, reason in plan.reasons.items())
