"""Control flow: each region becomes a function, which `regions` calls from outside the engine."""

from __future__ import annotations

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import carriers, regions
from isthmus.backends.tvm.api import relax
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.tensors import Stored, Tensor


@emits("if")
def if_(n: Network, condition: Tensor, *captures: Tensor) -> list[Stored]:
    """The branch that holds is called."""
    given = [n.row_major(each) for each in captures]
    return regions.driven(n, regions.IF, [n.bindings.var(n.row_major(condition))], ("then", "else"), given)


@emits("loop")
def loop(n: Network, trip_count: Tensor | None, condition: Tensor | None, *xs: Tensor, carried: int) -> list[Stored]:
    """Trips and the condition are looked at before each turn."""
    bounds = [None if each is None else n.bindings.var(n.row_major(each)) for each in (trip_count, condition)]
    before = [
        part for each in bounds for part in ([relax.prim_value(0)] if each is None else [relax.prim_value(1), each])
    ]
    return regions.driven(n, regions.LOOP, [*before, *_stacks(n, carried, 1)], ("body",), [n.row_major(x) for x in xs])


@emits("scan")
def scan(n: Network, *xs: Tensor, carried: int, scanned: int) -> list[Stored]:
    """One turn for each element of axis 0."""
    before = [relax.prim_value(scanned), *_stacks(n, carried, 0)]
    return regions.driven(n, regions.SCAN, before, ("body",), [n.row_major(x) for x in xs])


def _stacks(n: Network, carried: int, skipped: int) -> list[object]:
    """How many values are carried, and how many stacked, with the element type and shape of each."""
    stacked = n.node.regions["body"].outputs[skipped + carried :]
    parts: list[object] = [relax.prim_value(carried), relax.prim_value(len(stacked))]
    for value in stacked:
        kind = regions.KINDS.index(carriers.carrier(value.dtype))
        parts += [relax.prim_value(kind), regions.known_sizes(n, value.shape)]
    return parts
