"""Random graphs may be lowered: they stay well formed, keep their interface, and run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from isthmus.passes.manager import PassManager
from isthmus.passes.numerics import samples
from isthmus.passes.precision.lower import LowerPrecision
from tests.support.graphs import graphs

STEADY = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize("seeded", [0, 1])
@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_lowered_graphs_run(dtype: str, seeded: int) -> None:
    @STEADY
    @given(graph=graphs())
    def check(graph: Graph) -> None:
        lowered = graph.copy()
        step = LowerPrecision(dtype=dtype, seeded=seeded, rounds=2)  # type: ignore[arg-type]
        [record] = PassManager([step], check="full").run(lowered)
        assert [v.type for v in lowered.inputs] == [v.type for v in graph.inputs]
        assert [v.type for v in lowered.outputs] == [v.type for v in graph.outputs]
        assert record.precision is not None
        for inputs in samples(graph, hostile=False):
            evaluate(lowered, inputs)

    check()
