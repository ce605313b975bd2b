"""Every row of the op table, compiled by TVM and run, against the evaluator."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pytest

from isthmus.backends.base import BuildOptions
from isthmus.backends.emitter import Emission
from isthmus.backends.tvm import TVMBackend
from isthmus.backends.tvm.limits import DEVIATIONS
from isthmus.backends.tvm.write import TABLE
from isthmus.ir import ops
from isthmus.ir.builder import Builder
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import Array, dtype_of
from isthmus.ir.verify import verify
from tests.support.opcases import Case, cases_for

BACKEND = TVMBackend(is_isolated=False)
RELATIVE = {"float64": 1e-12, "float32": 2e-6, "float16": 2.0**-10, "bfloat16": 2.0**-8}
"""By the type of a result: for f32 a few roundings in another order, for narrow types twice what rounding costs."""


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


def without_infinities(x: Array) -> Array:
    """Ones in their place."""
    return np.where(np.isinf(x.astype(np.float64)), np.ones((), x.dtype), x) if dtype_of(x).is_float else x


TAMED: dict[str, Callable[[Array], Array]] = {"silu": without_infinities, "gelu": without_infinities}
"""What is kept out of an op's hostile inputs, because `DEVIATIONS` says that the engine differs there."""


def inputs_of(case: Case) -> list[Array]:
    tame = TAMED.get(case.op)
    return [tame(array) if tame else array for array in case.inputs]


def disagreement(got: Array, want: Array) -> str | None:
    """Why two results count as different: exact for integers, relative L2 norm for floats, specials in place."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype}{got.shape} instead of {want.dtype}{want.shape}"
    if want.dtype.kind in "biu":
        return None if np.array_equal(got, want) else f"{got[got != want][:5]} instead of {want[got != want][:5]}"
    a, b = got.astype(np.float64), want.astype(np.float64)
    special = ~(np.isfinite(a) & np.isfinite(b))
    if not np.array_equal(a[special], b[special], equal_nan=True):
        return f"{a[special][:8]} instead of {b[special][:8]}"
    error = float(np.linalg.norm(a[~special] - b[~special]))
    size = float(np.linalg.norm(b[~special]))
    return None if error <= RELATIVE[want.dtype.name] * max(size, 1e-30) else f"relative error {error / size:.1e}"


@pytest.mark.parametrize("name", ops.TABLE)
def test_every_row_agrees_with_the_evaluator_or_says_why_not(name: str) -> None:
    cases = thinned(cases_for(ops.TABLE[name]))
    assert cases, f"no case builds for {name}"
    taken = [case for case in cases if is_taken(case)]
    graph = Graph(name)
    b = Builder(graph)
    owners: list[Case] = []
    results: list[Value] = []
    for i, case in enumerate(taken):
        made = case.add_to(b, f"c{i}_")
        owners += [case] * len(made)
        results += made
    graph.set_outputs(results, [f"y{i}" for i in range(len(results))])
    arrays = [array for case in taken for array in inputs_of(case)]
    wants = evaluate(graph, arrays).values()
    BACKEND.legalize(graph)
    gots = BACKEND.build(graph, BuildOptions(threads=1))(arrays)
    compared = zip(owners, map(disagreement, gots, wants), strict=True)
    wrong = [f"{case}: {found}" for case, found in compared if found]
    assert not wrong, "\n".join(wrong)


def is_taken(case: Case) -> bool:
    """Whether TVM takes the case once legalized; all cases that it takes are then run as one graph."""
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


def test_every_row_is_taken_in_some_case() -> None:
    never = {name for name, row in ops.TABLE.items() if not any(map(is_taken, thinned(cases_for(row))))}
    assert not never
