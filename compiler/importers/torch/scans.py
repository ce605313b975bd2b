"""Running maxima, products and the like along an axis.

What may be combined in any grouping is found in log2(n) steps, each of which combines every element with that which
stands 1, 2, 4 ... places before it (Hillis and Steele, Data Parallel Algorithms, 1986).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from isthmus.compiler.importers.products import running_product
from isthmus.compiler.importers.torch.args import axis_of, cast
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import AtenLowering, aten
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, I32, I64

Combine: TypeAlias = Callable[[TorchBuilder, Sequence[Value], Sequence[Value]], Sequence[Value]]
"""(builder, what holds of an earlier stretch, what holds of the stretch after it) -> what holds of both."""


@aten("cumsum")
def cumsum(b: TorchBuilder, x: Value, dim: int, dtype: Any = None) -> Value:
    x = cast(b, x, b.wanted_dtype())
    return x if x.rank == 0 else b.cumsum(x, axis=axis_of(dim, x.rank))


@aten("cumprod")
def cumprod(b: TorchBuilder, x: Value, dim: int, dtype: Any = None) -> Value:
    x = cast(b, x, b.wanted_dtype())
    return x if x.rank == 0 else running_product(b, x, axis_of(dim, x.rank))


def _running_extreme(op: str, wins: str) -> AtenLowering[tuple[Value, Value]]:
    def combine(b: TorchBuilder, earlier: Sequence[Value], later: Sequence[Value]) -> Sequence[Value]:
        taken: Value = b.create(wins, (later[0], earlier[0])).result
        if later[0].dtype.is_float:
            taken = b.logical_or(taken, b.is_nan(later[0]))
        return [b.where(taken, new, old) for old, new in zip(earlier, later, strict=True)]

    @aten(op)
    def extreme(b: TorchBuilder, x: Value, dim: int) -> tuple[Value, Value]:
        """Of equal elements the last one wins, and NaN over all."""
        if x.rank == 0:
            return x, b.const(0)
        axis = axis_of(dim, x.rank)
        places = b.iota(dtype=I64, shape=x.shape, axis=axis)
        values, indices = _combined(b, [cast(b, x, I32) if x.dtype == BOOL else x, places], axis, combine)
        return cast(b, values, x.dtype), indices

    return extreme


extremes = (_running_extreme("cummax", "greater_equal"), _running_extreme("cummin", "less_equal"))


@aten("logcumsumexp")
def logcumsumexp(b: TorchBuilder, x: Value, dim: int) -> Value:
    """log(cumsum(exp(x))), which stays in range where the exponentials leave it."""

    def combine(b: TorchBuilder, earlier: Sequence[Value], later: Sequence[Value]) -> Sequence[Value]:
        top = b.maximum(earlier[0], later[0])
        rest = b.log1p(b.exp(b.neg(b.abs(b.sub(earlier[0], later[0])))))
        return [b.where(b.is_inf(top), top, b.add(top, rest))]

    return x if x.rank == 0 else _combined(b, [x], axis_of(dim, x.rank), combine)[0]


def run_lengths(b: TorchBuilder, x: Value, axis: int) -> Value:
    """How many elements up to each one, itself among them, are equal to it without a gap: i64, in the shape of x."""
    places = b.iota(dtype=I64, shape=x.shape, axis=axis)
    before = b.gather_elements(x, b.maximum(b.sub(places, 1), 0), axis=axis)
    begins = b.where(b.not_equal(x, before), places, 0)
    (start,) = _combined(b, [begins], axis, lambda b, one, other: [b.maximum(one[0], other[0])])
    return b.add(b.sub(places, start), 1)


def _combined(b: TorchBuilder, state: Sequence[Value], axis: int, combine: Combine) -> Sequence[Value]:
    """For each place what holds of all elements up to it; `state` is what holds of each alone."""
    size = state[0].shape[axis]
    if isinstance(size, int):
        stride = 1
        while stride < size:
            state = _step(b, state, b.const(stride), axis, combine)
            stride *= 2
        return state
    total = b.reshape(b.dims((size,)), shape=())
    inner = b.body()
    inner.graph.name = "doubling"
    inner.graph.add_input(b.const(0).type, "i")
    stride_in = inner.graph.add_input(total.type, "stride")
    inside = [inner.graph.add_input(each.type, f"state{i}") for i, each in enumerate(state)]
    total_in = inner.graph.add_input(total.type, "size")
    doubled = inner.mul(stride_in, 2)
    after = _step(inner, inside, stride_in, axis, combine)
    results = [inner.less(doubled, total_in), doubled, *after]
    inner.graph.set_outputs(results, [f"out{i}" for i in range(len(results))])
    first = b.const(1)
    found = b.loop(None, b.less(first, total), first, *state, total, body=inner.graph, carried=1 + len(state))
    return found[1:]


def _step(b: TorchBuilder, state: Sequence[Value], stride: Value, axis: int, combine: Combine) -> Sequence[Value]:
    """Every element combined with what stands `stride` places before it, where there is such a place."""
    size = state[0].shape[axis]
    source = b.sub(b.iota(dtype=I64, shape=(size,), axis=0), stride)
    column = (size, *[1] * (state[0].rank - axis - 1))
    exists = b.reshape(b.greater_equal(source, 0), shape=column)
    earlier = [b.gather(each, b.maximum(source, 0), axis=axis) for each in state]
    made = combine(b, earlier, state)
    return [b.where(exists, new, old) for new, old in zip(made, state, strict=True)]
