"""Every row of the op table, written for TensorRT, built by the real builder, and read back layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import pytest

from isthmus.backends.emitter import Emission
from isthmus.backends.tensorrt.limits import DEVIATIONS
from isthmus.backends.tensorrt.write import TABLE
from isthmus.ir import ops
from isthmus.ir.types import BF16, F16, DType, dtype_of
from tests.support.opcases import Case, cases_for
from tests.support.opcases_by_hand import BY_HAND
from tests.support.tensorrt.bench import BACKEND, Bench, disagreement
from tests.support.tensorrt.rows import TAMED, groups, narrowed
from tests.support.together import is_taken


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("name", ops.TABLE)
def test_every_row_agrees_with_the_evaluator_or_says_why_not(name: str, bench: Bench) -> None:
    cases = cases_for(ops.TABLE[name])
    assert cases, f"no case builds for {name}"
    wrong = list(disagreements(bench, cases, built=True))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", BY_HAND)
def test_rows_that_have_their_cases_by_hand_agree_in_narrow_types(name: str, bench: Bench) -> None:
    """Their own cases are f32."""
    wrong = list(disagreements(bench, narrowed(cases_for(ops.TABLE[name])), built=False))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("dtype", [F16, BF16], ids=str)
def test_rows_that_have_their_cases_by_hand_build_in_narrow_types(dtype: DType, bench: Bench) -> None:
    """One case of each: the engine lacks some kernels for one type only."""
    cases: list[Case] = []
    for name in BY_HAND:
        narrow = (c for c in narrowed(cases_for(ops.TABLE[name])) if dtype in {dtype_of(x) for x in c.inputs})
        cases += islice((case for case in narrow if is_taken(case, BACKEND)), 1)
    assert len(cases) > 40
    for group in groups(cases):
        bench.build(bench.write(group.graph), group.graph, group.arrays, exact=group.exact)


def disagreements(bench: Bench, cases: Iterable[Case], *, built: bool) -> Iterator[str]:
    """The cases whose results differ."""
    for group in groups(cases):
        gots = bench.run(group.graph, group.arrays, exact=group.exact, built=built)
        for case, got, want in zip(group.owners, gots, group.wants(), strict=True):
            if found := disagreement(got, want):
                yield f"{case}: {found}"


def test_every_row_is_emitted_or_has_a_reason() -> None:
    assert set(TABLE) == set(ops.TABLE)
    assert all(isinstance(row, Emission) or len(row) > 10 for row in TABLE.values())


def test_what_is_tamed_is_declared() -> None:
    assert set(TAMED) <= set(DEVIATIONS)


def test_rows_that_no_case_takes_are_few() -> None:
    never = {name for name, row in ops.TABLE.items() if not any(is_taken(case, BACKEND) for case in cases_for(row))}
    assert never == {"non_zero", "non_max_suppression"}
