"""How far a compiled graph's numbers are from f32, and whether that is near enough. Both run on the evaluator."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.ir.errors import AccuracyError
from isthmus.ir.graph import Graph, Value
from isthmus.passes.manager import PassRecord
from isthmus.passes.precision.accuracy import AccuracyReport
from isthmus.passes.precision.compare import compare
from isthmus.passes.precision.draw import profile_drawn
from isthmus.passes.precision.profile import Sample, profile

_EXACT = ("canonicalize", "cse", "dce")


def measure(reference: Graph, lowered: Graph, samples: Sequence[Sample]) -> AccuracyReport:
    """The relative L2 error of each output of `lowered`, and the layers where it grows; layers are matched by name."""
    found = compare(profile(reference, samples), lowered, samples, _by_name(reference, lowered))
    return AccuracyReport.of(reference, found, len(samples))


def measured(
    records: Sequence[PassRecord], reference: Graph, graph: Graph, samples: Sequence[Sample]
) -> AccuracyReport:
    """What the pass that lowered precision measured, if it came last; else `graph` against `reference`, measured now.

    Without samples, on one that is drawn; AccuracyError where none is found that the model runs on.
    """
    for record in reversed(records):
        if record.precision is not None and record.precision.accuracy is not None:
            return record.precision.accuracy
        if record.changed and record.name not in _EXACT:
            break
    if found := samples or profile_drawn(reference, 1)[0]:
        return measure(reference, graph, found)
    raise AccuracyError("no inputs could be drawn that the model runs on", hint="give some as calibration=")


def require(report: AccuracyReport, bound: float) -> None:
    """Raise AccuracyError where an output's error exceeds `bound`."""
    over = [f"{name} {error:.3g}" for name, error in report.outputs.items() if not error <= bound]
    if over:
        raise AccuracyError(
            f"relative L2 error against f32 exceeds {bound:g}: {', '.join(over)}; it grows most at\n"
            + "\n".join(f"  {layer}" for layer in report.layers),
            hint="keep these layers in f32 with lower-precision{keep=[NAME]}, or allow a larger error",
        )


def _by_name(reference: Graph, lowered: Graph) -> dict[Value, Value]:
    named = {v.name: v for v in _values(reference) if v.name}
    return {v: named[v.name] for v in _values(lowered) if v.name in named and v.shape == named[v.name].shape}


def _values(graph: Graph) -> list[Value]:
    return [*graph.inputs, *(r for node in graph.walk() for r in node.results if node.op.name != "const")]
