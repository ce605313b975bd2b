"""Structured control flow. A region is a sub-graph; everything it uses from outside is an explicit operand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from isthmus.ir.dim import UNKNOWN, Dim, symbols
from isthmus.ir.errors import TypeRuleError
from isthmus.ir.op import Bool, Index, Mixed, Region, op
from isthmus.ir.precision import fragile
from isthmus.ir.types import BOOL, I64, Array, TensorType

if TYPE_CHECKING:
    from isthmus.ir.graph import Graph


def _if(condition: TensorType, *captures: TensorType, **regions: Graph) -> list[TensorType]:
    if condition.rank:
        raise TypeRuleError(f"condition is {condition}, must be a scalar")
    for name, region in regions.items():
        _check_inputs(name, region, captures)
    then, other = (_output_types(regions[name]) for name in ("then", "else"))
    if len(then) != len(other):
        raise TypeRuleError(f"then yields {len(then)} values, else {len(other)}")
    return [_join(a, b, captures) for a, b in zip(then, other, strict=True)]


@op(infer=_if, precision=fragile("its regions keep the types they take and give"))
def if_(condition: Bool, *captures: Mixed, then: Region, else_: Region) -> tuple[Array, ...]:
    """The results of `then` where the scalar condition holds, else those of `else`; both take the captures."""
    return then(*captures) if condition else else_(*captures)


def _loop(
    trip_count: TensorType | None = None,
    condition: TensorType | None = None,
    *xs: TensorType,
    carried: int,
    body: Graph,
) -> list[TensorType]:
    for name, scalar in (("trip_count", trip_count), ("condition", condition)):
        if scalar is not None and scalar.rank:
            raise TypeRuleError(f"{name} is {scalar}, must be a scalar")
    if not 0 <= carried <= len(xs):
        raise TypeRuleError(f"{carried} carried values of {len(xs)} operands")
    _check_inputs("body", body, (TensorType(I64, ()), *xs), loose=range(1, 1 + carried))
    produced = _output_types(body)
    if len(produced) < 1 + carried or produced[0] != TensorType(BOOL, ()):
        raise TypeRuleError(f"body must yield a bool scalar and {carried} carried values, yields {produced}")
    state = [
        _join(_join(first, again, xs), inside.type, xs)
        for first, again, inside in zip(xs, produced[1 : 1 + carried], body.inputs[1:], strict=False)
    ][:carried]
    return state + [_stacked(t, UNKNOWN, xs) for t in produced[1 + carried :]]


@op(infer=_loop, precision=fragile("its regions keep the types they take and give"))
def loop(
    trip_count: Index | None = None,
    condition: Bool | None = None,
    *xs: Mixed,
    body: Region,
    carried: int,
) -> tuple[Array, ...]:
    """Runs `body` while the condition holds and at most trip_count times; either may be absent.

    The first `carried` of `xs` start the loop-carried values, the others are captured. body(i, carried, captures)
    yields (condition, carried, scanned); the results are the last carried values, and the scanned ones stacked on a
    new axis 0.
    """
    state, captures = xs[:carried], xs[carried:]
    scanned: list[tuple[Array, ...]] = []
    running, i = condition is None or bool(condition), 0
    while running and (trip_count is None or i < trip_count):
        more, *results = body(np.asarray(i, np.int64), *state, *captures)
        state, running = tuple(results[:carried]), bool(more)
        scanned.append(tuple(results[carried:]))
        i += 1
    if not scanned:
        return (*state, *body.nothing()[1 + carried :])
    return (*state, *(np.stack(column) for column in zip(*scanned, strict=True)))


def _scan(*xs: TensorType, carried: int, scanned: int, body: Graph) -> list[TensorType]:
    if carried < 0 or scanned < 1 or carried + scanned > len(xs):
        raise TypeRuleError(f"{carried} carried and {scanned} scanned values of {len(xs)} operands")
    sequences = xs[carried : carried + scanned]
    if any(t.rank == 0 for t in sequences):
        raise TypeRuleError("a scalar cannot be scanned")
    slices = [t.with_shape(t.shape[1:]) for t in sequences]
    _check_inputs("body", body, (*xs[:carried], *slices, *xs[carried + scanned :]), loose=range(carried))
    produced = _output_types(body)
    if len(produced) < carried:
        raise TypeRuleError(f"body must yield {carried} carried values, yields {len(produced)}")
    state = [
        _join(_join(first, again, xs), inside.type, xs)
        for first, again, inside in zip(xs, produced[:carried], body.inputs, strict=False)
    ][:carried]
    return state + [_stacked(t, sequences[0].shape[0], xs) for t in produced[carried:]]


@op(infer=_scan, precision=fragile("its regions keep the types they take and give"))
def scan(*xs: Mixed, body: Region, carried: int, scanned: int) -> tuple[Array, ...]:
    """Runs `body` once for each element of axis 0 of the scanned operands, in order.

    `xs` are the first carried values, the scanned operands, and captures. body(carried, elements, captures) yields
    (carried, outputs); the results are the last carried values, and the outputs stacked on a new axis 0.
    """
    state, sequences, captures = xs[:carried], xs[carried : carried + scanned], xs[carried + scanned :]
    outputs: list[tuple[Array, ...]] = []
    for elements in zip(*sequences, strict=True):
        results = body(*state, *elements, *captures)
        state = results[:carried]
        outputs.append(results[carried:])
    if not outputs:
        return (*state, *body.nothing()[carried:])
    return (*state, *(np.stack(column) for column in zip(*outputs, strict=True)))


def _check_inputs(name: str, region: Graph, given: Sequence[TensorType], loose: Sequence[int] = ()) -> None:
    inside = [v.type for v in region.inputs]
    if len(inside) != len(given):
        raise TypeRuleError(f"region {name} takes {len(inside)} inputs, gets {len(given)}")
    for i, (wanted, found) in enumerate(zip(inside, given, strict=True)):
        same = wanted.dtype == found.dtype and wanted.rank == found.rank if i in loose else wanted == found
        if not same:
            raise TypeRuleError(f"input {i} of region {name} is {wanted}, gets {found}")


def _output_types(region: Graph) -> list[TensorType]:
    return [v.type for v in region.outputs]


def _join(a: TensorType, b: TensorType, visible: Sequence[TensorType]) -> TensorType:
    if a.dtype != b.dtype or a.rank != b.rank:
        raise TypeRuleError(f"a value is {a} on one path and {b} on another")
    return a.with_shape(_outside(d if d == e else UNKNOWN, visible) for d, e in zip(a.shape, b.shape, strict=True))


def _stacked(element: TensorType, count: Dim, visible: Sequence[TensorType]) -> TensorType:
    return element.with_shape((count, *(_outside(d, visible) for d in element.shape)))


def _outside(dim: Dim, visible: Sequence[TensorType]) -> Dim:
    """`dim`, unless a symbol in it is known inside the region only."""
    known = frozenset().union(*(t.symbols() for t in visible))
    return dim if symbols(dim) <= known else UNKNOWN
