"""Single-op cases as one program of TVM's against the evaluator: what the tests and the sweep of all cases share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from isthmus.backends.base import Backend, BuildOptions
from isthmus.ir.evaluate import evaluate
from isthmus.ir.types import Array
from tests.support.comparison import Comparison
from tests.support.opcases import Case
from tests.support.together import together

disagreement = Comparison({"float64": 1e-12, "float32": 2e-6, "float16": 2.0**-10, "bfloat16": 2.0**-8})
"""By the type of a result: for f32 a few roundings in another order, for narrow types twice what rounding costs."""


TAMED: dict[str, Callable[[Case], bool]] = {"silu": lambda _: True, "gelu": lambda c: c.attrs["approximate"] == "tanh"}
"""Cases without negative infinity, because the backend's `DEVIATIONS` say that it differs there."""


def disagreements(cases: Sequence[Case], backend: Backend) -> list[str]:
    """What differs, case by case."""
    group = together(cases, _inputs_of)
    wants = evaluate(group.graph, group.arrays).values()
    backend.legalize(group.graph)
    gots = backend.build(group.graph, BuildOptions(threads=1))(group.arrays)
    compared = zip(group.owners, map(disagreement, gots, wants), strict=True)
    return [f"{case}: {found}" for case, found in compared if found]


def _inputs_of(case: Case) -> list[Array]:
    is_tamed = TAMED.get(case.op)
    if is_tamed is None or not is_tamed(case):
        return case.inputs
    return [np.where(np.isneginf(x.astype(np.float64)), np.ones((), x.dtype), x) for x in case.inputs]
