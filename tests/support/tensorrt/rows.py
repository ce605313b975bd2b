"""The op table's cases as networks: several in one, because each network costs something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from isthmus.ir.errors import IsthmusError
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from isthmus.ir.types import BF16, F16, Array, dtype_of
from tests.support.opcases import Case
from tests.support.tensorrt.bench import BACKEND
from tests.support.together import is_taken, together

TOGETHER = 8
"""Cases in one network: large ones build slowly."""


def _ordinary(x: Array) -> Array:
    """Ones in place of floats whose quotients are large, or infinite."""
    if not dtype_of(x).is_float:
        return x
    size = np.abs(x.astype(np.float64))
    return np.where((size >= 0.1) & (size <= 10), x, np.ones((), x.dtype))


TAMED: Mapping[str, Callable[[Array], Array]] = {"mod": _ordinary, "fmod": _ordinary}
"""What is kept out of an op's hostile inputs, because `DEVIATIONS` says that the engine differs there."""


def narrowed(cases: Iterable[Case]) -> Iterator[Case]:
    """The cases that hold f32 of fixed sizes, in f16 and in bf16."""
    for case in cases:
        wide = [x is not None and x.dtype == np.float32 for x in case.operands]
        if case.symbolic or case.regions or not any(wide):
            continue
        for dtype in (F16, BF16):
            with np.errstate(over="ignore"):
                operands = [
                    x.astype(dtype.numpy) if x is not None and is_wide else x
                    for x, is_wide in zip(case.operands, wide, strict=True)
                ]
            narrow = replace(case, operands=tuple(operands))
            try:
                narrow.graph()
            except IsthmusError:
                continue
            yield narrow


@dataclass(frozen=True)
class Group:
    """Cases that share a network."""

    graph: Graph
    """Legalized."""
    arrays: list[Array]
    owners: list[Case]
    """For each output, the case it belongs to."""
    exact: bool
    """Whether the sizes of the arrays are the only ones: where a constant is as long as an axis."""

    def wants(self) -> list[Array]:
        """What the evaluator makes of it. Composites the engine lacks mean what they are made of, with the rounding of
        each op.
        """
        return list(evaluate(self.graph, self.arrays).values())


def groups(cases: Iterable[Case]) -> Iterator[Group]:
    """The cases that TensorRT takes, in networks of a few."""
    taken = [case for case in cases if is_taken(case, BACKEND)]
    for exact in (False, True):
        some = [case for case in taken if exact == (case.symbolic and bool(case.constant))]
        for start in range(0, len(some), TOGETHER):
            yield _group(some[start : start + TOGETHER], exact)


def _group(cases: Iterable[Case], exact: bool) -> Group:
    found = together(cases, _inputs_of)
    BACKEND.legalize(found.graph)
    return Group(found.graph, found.arrays, found.owners, exact)


def _inputs_of(case: Case) -> list[Array]:
    tame = TAMED.get(case.op)
    return [tame(array) if tame else array for array in case.inputs]
