"""Single-op cases as one program of TVM's against the evaluator: what the tests and the sweep of all cases share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from isthmus.backends.base import Backend, BuildOptions
from isthmus.ir.builder import Builder
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import Array
from isthmus.ir.verify import verify
from tests.support.opcases import Case

RELATIVE = {"float64": 1e-12, "float32": 2e-6, "float16": 2.0**-10, "bfloat16": 2.0**-8}
"""By the type of a result: for f32 a few roundings in another order, for narrow types twice what rounding costs."""


TAMED: dict[str, Callable[[Case], bool]] = {"silu": lambda _: True, "gelu": lambda c: c.attrs["approximate"] == "tanh"}
"""Cases without negative infinity, because the backend's `DEVIATIONS` say that it differs there."""


def is_taken(case: Case, backend: Backend) -> bool:
    """Whether the backend takes the case once legalized; AssertionError where it refuses without a reason."""
    graph = case.graph()
    backend.legalize(graph)
    verify(graph)
    refused = backend.unsupported(graph)
    assert all(len(reason) > 10 for _, reason in refused)
    return not refused


def disagreements(cases: Sequence[Case], backend: Backend) -> list[str]:
    """What differs, case by case. All are outputs of one graph: compiling one program costs less than many."""
    graph = Graph("cases")
    b = Builder(graph)
    owners: list[Case] = []
    results: list[Value] = []
    for i, case in enumerate(cases):
        made = case.add_to(b, f"c{i}_")
        owners += [case] * len(made)
        results += made
    graph.set_outputs(results, [f"y{i}" for i in range(len(results))])
    arrays = [array for case in cases for array in _inputs_of(case)]
    wants = evaluate(graph, arrays).values()
    backend.legalize(graph)
    gots = backend.build(graph, BuildOptions(threads=1))(arrays)
    compared = zip(owners, map(disagreement, gots, wants), strict=True)
    return [f"{case}: {found}" for case, found in compared if found]


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


def _inputs_of(case: Case) -> list[Array]:
    is_tamed = TAMED.get(case.op)
    if is_tamed is None or not is_tamed(case):
        return case.inputs
    return [np.where(np.isneginf(x.astype(np.float64)), np.ones((), x.dtype), x) for x in case.inputs]
