"""Every row of the op table, written for TensorRT, built by the real builder, and read back layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from isthmus.backends.emitter import Emission
from isthmus.backends.tensorrt.limits import DEVIATIONS
from isthmus.backends.tensorrt.write import TABLE
from isthmus.ir import ops
from isthmus.ir.builder import Builder
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import Array, dtype_of
from isthmus.ir.verify import verify
from tests.support.opcases import Case, cases_for
from tests.support.tensorrt.bench import BACKEND, Bench, disagreement
from tests.support.tensorrt.library import library_or_skip

library_or_skip()


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def _ordinary(x: Array) -> Array:
    """Ones in place of floats whose quotients are large, or infinite."""
    if not dtype_of(x).is_float:
        return x
    size = np.abs(x.astype(np.float64))
    return np.where((size >= 0.1) & (size <= 10), x, np.ones((), x.dtype))


TAMED: dict[str, Callable[[Array], Array]] = {"mod": _ordinary, "fmod": _ordinary}
"""What is kept out of an op's hostile inputs, because `DEVIATIONS` says that the engine differs there."""


def inputs_of(case: Case) -> list[Array]:
    tame = TAMED.get(case.op)
    return [tame(array) if tame else array for array in case.inputs]


TOGETHER = 8
"""Cases in one network: each network costs something, and large ones build slowly."""


@pytest.mark.parametrize("name", ops.TABLE)
def test_every_row_agrees_with_the_evaluator_or_says_why_not(name: str, bench: Bench) -> None:
    cases = cases_for(ops.TABLE[name])
    assert cases, f"no case builds for {name}"
    taken = [case for case in cases if is_taken(case)]
    wrong: list[str] = []
    for exact in (False, True):  # where a constant is as long as an axis, that axis has no other size
        group = [case for case in taken if exact == (case.symbolic and bool(case.constant))]
        for start in range(0, len(group), TOGETHER):
            wrong += disagreements(bench, group[start : start + TOGETHER], exact=exact)
    assert not wrong, "\n".join(wrong)


def disagreements(bench: Bench, cases: Sequence[Case], *, exact: bool) -> Iterator[str]:
    """The cases, written as one network, whose results differ. Composites the engine lacks mean what they are made
    of, with the rounding of each op.
    """
    graph = Graph("cases")
    b = Builder(graph)
    owners: list[Case] = []
    results: list[Value] = []
    for i, case in enumerate(cases):
        made = case.add_to(b, f"c{i}_")
        owners += [case] * len(made)
        results += made
    graph.set_outputs(results, [f"y{i}" for i in range(len(results))])
    arrays = [array for case in cases for array in inputs_of(case)]
    BACKEND.legalize(graph)
    wants = evaluate(graph, arrays).values()
    gots = bench.run(graph, arrays, exact=exact)
    for case, got, want in zip(owners, gots, wants, strict=True):
        if found := disagreement(got, want):
            yield f"{case}: {found}"


def is_taken(case: Case) -> bool:
    """Whether TensorRT takes the case once legalized."""
    graph = case.graph()
    BACKEND.legalize(graph)
    verify(graph)
    refused = BACKEND.unsupported(graph)
    assert all(len(reason) > 10 for _, reason in refused)
    return not refused


def test_every_row_is_emitted_or_has_a_reason() -> None:
    assert set(TABLE) == set(ops.TABLE)
    assert all(isinstance(row, Emission) or len(row) > 10 for row in TABLE.values())


def test_what_is_tamed_is_declared() -> None:
    assert set(TAMED) <= set(DEVIATIONS)


def test_rows_that_no_case_takes_are_few() -> None:
    never = {name for name, row in ops.TABLE.items() if not any(map(is_taken, cases_for(row)))}
    assert never == {"non_zero", "non_max_suppression"}
