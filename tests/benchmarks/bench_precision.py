"""What lowering costs in accuracy: the exported networks in f16 and bf16 by the evaluator, against themselves in f32.

Prints the worst output's relative L2 error on seeded inputs, how many nodes compute in which type, the casts between
them, and the seconds the pass took.
"""

from __future__ import annotations

import time

from isthmus.compiler.driver import optimize
from isthmus.compiler.importers.dispatch import import_model
from isthmus.passes.manager import PassManager
from isthmus.passes.precision.lower import LowerPrecision
from tests.support import exported

TYPES = ("f16", "bf16")


def main() -> None:
    """Measure and print."""
    print(f"{'network':20} {'type':5} {'error':>8} {'low':>5} {'high':>5} {'casts':>5} {'s':>6}")
    for name in exported.NAMES:
        model = exported.filled(name)
        graph = optimize(import_model(model))
        samples = [exported.random_inputs(model, 1)]
        for dtype in TYPES:
            lowered = graph.copy()
            start = time.perf_counter()
            [record] = PassManager([LowerPrecision(dtype=dtype)], check="full", samples=samples).run(lowered)  # type: ignore[arg-type]
            summary = record.precision
            assert summary is not None
            assert summary.accuracy is not None
            print(
                f"{name:20} {dtype:5} {summary.accuracy.error:8.1e} {summary.lowered:5} {len(summary.kept):5}"
                f" {summary.casts:5} {time.perf_counter() - start:6.1f}",
                flush=True,
            )
            for count, op, reason in summary.reasons():
                print(f"{'':20}   {count} x {op}: {reason}")


if __name__ == "__main__":
    main()
