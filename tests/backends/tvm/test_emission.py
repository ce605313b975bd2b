"""Every row of the op table, compiled by TVM and run, against the evaluator; `tests/benchmarks/tvm_cases.py` runs every
case of every row, with LLVM's optimizations.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pytest

from isthmus.backends.emitter import Emission
from isthmus.backends.tvm import TVMBackend
from isthmus.backends.tvm.limits import DEVIATIONS
from isthmus.backends.tvm.write import TABLE
from isthmus.ir import ops
from isthmus.ir.types import Array
from tests.backends.tvm.agreement import TAMED, disagreement, disagreements
from tests.support.opcases import Case, cases_for
from tests.support.together import is_taken

BACKEND = TVMBackend(is_isolated=False, is_optimized=False)


def thinned(cases: Sequence[Case]) -> list[Case]:
    """Every element type once, every kind of them (signed, unsigned, bool, each float) once with hostile values, every
    value of an attribute once, every shape once with sizes known and once with symbols: not each with each, as every
    case is a kernel that LLVM compiles.
    """
    seen: set[Hashable] = set()
    kept: list[Case] = []
    for case in cases:
        given = [a.dtype for a in case.operands if a is not None]
        kinds = tuple(t.kind if case.note and t.kind in "iub" else t.name for t in given)
        shapes = tuple(None if a is None else a.shape for a in case.operands)
        keys: set[Hashable] = {(case.symbolic, shapes, case.constant)}
        if not case.symbolic:
            keys |= {(kinds, case.note), *((name, str(value)) for name, value in case.attrs.items())}
        if not keys <= seen:
            kept.append(case)
            seen |= keys
    return kept


@pytest.mark.parametrize("name", ops.TABLE)
def test_every_row_agrees_with_the_evaluator_or_says_why_not(name: str) -> None:
    cases = thinned(cases_for(ops.TABLE[name]))
    assert cases, f"no case builds for {name}"
    taken = [case for case in cases if is_taken(case, BACKEND)]
    assert taken, f"TVM takes no case of {name}"
    wrong = disagreements(taken, BACKEND)
    assert not wrong, "\n".join(wrong)


def test_every_row_is_emitted_or_has_a_reason() -> None:
    assert set(TABLE) == set(ops.TABLE)
    assert all(isinstance(row, Emission) or len(row) > 10 for row in TABLE.values())


def test_what_is_tamed_is_declared() -> None:
    assert set(TAMED) <= set(DEVIATIONS)


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (np.array([1.0, np.nan], np.float32), None),
        (np.array([1.0, np.nan], np.float64), "float64"),
        (np.array([1.00001, np.nan], np.float32), "relative error"),
        (np.array([1.0, 1.0], np.float32), "instead of"),
    ],
)
def test_a_difference_is_seen(got: Array, words: str | None) -> None:
    found = disagreement(got, np.array([1.0, np.nan], np.float32))
    assert found is None if words is None else found is not None and words in found
