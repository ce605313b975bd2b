"""Reductions, scans and selections along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.tvm import carriers, fusion, integers, maths
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import kind, script, tirx
from isthmus.backends.tvm.kernels import Expr, Perm
from isthmus.backends.tvm.maths import const, select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.orders import row_major
from isthmus.backends.tvm.schedule_default import Accumulation, int64
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Deliver, Formula, Stored, Tensor
from isthmus.ir.dim import Dim
from isthmus.ir.types import DType

_COMBINE: dict[str, Callable[[Expr, Expr], Expr]] = {
    "reduce_sum": integers.add,
    "reduce_mean": integers.add,
    "reduce_prod": integers.mul,
    "reduce_max": maths.maximum,
    "reduce_min": maths.minimum,
    "reduce_all": lambda x, y: tirx.min(x, y),
    "reduce_any": lambda x, y: tirx.max(x, y),
}


def _identity(name: str, dtype: DType) -> Expr:
    if name in ("reduce_all", "reduce_any"):
        return tirx.const(int(name == "reduce_all"), "uint8")
    kind = carriers.computed(dtype)
    if name in ("reduce_max", "reduce_min"):
        return extreme(dtype, is_least=name == "reduce_max")
    return tirx.const(1 if name == "reduce_prod" else 0, kind)


def extreme(dtype: DType, *, is_least: bool) -> Expr:
    """What loses against every element of a type."""
    kind = carriers.computed(dtype)
    if dtype.is_float:
        return tirx.const(float("-inf" if is_least else "inf"), kind)
    return tirx.min_value(kind) if is_least else tirx.max_value(kind)


@emits(*_COMBINE)
def reduction(n: Network, x: Tensor, *, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Side by side where the innermost axis stays, else along it."""
    name, dtype, shape = n.node.op.name, n.x.dtype, n.x.shape
    if not axes:
        return n.each(lambda v: v, x)
    order = x.perm if isinstance(x, Stored) else _order(x)
    kept = tuple(a for a in order if a not in axes)
    is_bool = name in ("reduce_all", "reduce_any")

    def write(scope: KernelScope, deliver: Deliver) -> None:
        sizes = [scope.size(d) for d in shape]
        reduced = [a for a in order if a in axes]
        known = loops.volume([sizes[a] for a in reduced])
        count = int64(known)

        def element(index: list[Any], inner: list[Any]) -> Expr:
            at = [None] * len(shape)
            for a, position in (*zip(kept, index, strict=True), *zip(reduced, inner, strict=True)):
                at[a] = position
            value = scope.read(x, at)
            return value.astype("uint8") if is_bool else value

        def finish(index: list[Any], value: Expr) -> None:
            places = dict(zip(kept, index, strict=True))
            if keepdims:
                at = [places.get(a, int64(0)) for a in range(len(shape))]
            else:
                at = [places[a] for a in sorted(kept)]
            if name == "reduce_mean":
                value = value / count.astype(kind(value)) if known != 0 else const(float("nan"), value)
            deliver(at, tirx.NE(value, const(0, value)) if is_bool else value)

        work = Accumulation([sizes[a] for a in reduced], _identity(name, dtype), element, _COMBINE[name])
        is_vector = not (isinstance(x, Formula) and x.uses_libm)
        extents = [sizes[a] for a in kept]
        if order[-1] in axes:
            loops.along(extents, work, scope.scratch, finish, is_vector)
        else:
            loops.tiled(extents, work, scope.scratch, finish, is_vector)

    perm = order if keepdims else tuple(sorted(kept).index(a) for a in kept)
    return n.pending(write, x, perm=perm)


def _order(x: Tensor) -> Perm:
    return fusion.preferred_perm(x) if isinstance(x, Formula) else row_major(x.type.rank)


@emits("argmax", "argmin")
def extremum_index(n: Network, x: Tensor, *, axis: int, keepdims: bool, last: bool) -> Tensor:
    """One pass along the axis; NaN wins."""
    source, shape, is_float = n.memory(x), n.x.shape, n.x.dtype.is_float
    is_max = n.node.op.name == "argmax"
    kind = carriers.computed(n.x.dtype)

    def write(scope: KernelScope, deliver: Deliver) -> None:
        sizes = [scope.size(d) for d in shape]
        others = [*sizes[:axis], *sizes[axis + 1 :]]
        with loops.nest(others, loops.is_large(sizes)) as place:
            best, found = scope.scratch((1,), kind), scope.scratch((1,), "int64")

            def read(position: Any) -> Expr:
                return scope.read(source, [*place[:axis], position, *place[axis:]])

            script.buffer_store(best, read(int64(0)), [0])
            script.buffer_store(found, int64(0), [0])
            with script.serial(int64(0), int64(sizes[axis])) as position:
                value, top = read(position), scope.bind(best[0])
                wins = (value >= top if last else value > top) if is_max else (value <= top if last else value < top)
                if is_float:
                    is_nan = maths.is_nan(value)
                    wins = tirx.any(wins, is_nan if last else tirx.all(is_nan, maths.negated(maths.is_nan(top))))
                script.buffer_store(best, select(wins, value, top), [0])
                script.buffer_store(found, select(wins, position, found[0]), [0])
            at = [*place[:axis], *([int64(0)] if keepdims else []), *place[axis:]]
            deliver(at, scope.bind(found[0]))

    return n.pending(write, source)


@emits("cumsum")
def cumsum(n: Network, x: Tensor, *, axis: int, exclusive: bool, reverse: bool) -> Tensor:
    """One pass along the axis; narrow floats are added in f32."""
    source, type = n.row_major(x), n.type
    kind = carriers.computed(type.dtype)

    def write(scope: KernelScope, deliver: Deliver) -> None:
        sizes = [scope.size(d) for d in type.shape]
        others = [*sizes[:axis], *sizes[axis + 1 :]]
        with loops.nest(others, loops.is_large(sizes)) as place:
            total = scope.scratch((1,), kind)
            script.buffer_store(total, tirx.const(0, kind), [0])
            with script.serial(int64(0), int64(sizes[axis])) as step:
                position = int64(sizes[axis]) - int64(1) - step if reverse else step
                at = [*place[:axis], position, *place[axis:]]
                before = scope.bind(total[0])
                after = scope.bind(integers.add(before, scope.read(source, at)))
                script.buffer_store(total, after, [0])
                deliver(at, before if exclusive else after)

    return n.pending(write, source)


@emits("topk")
def topk(n: Network, x: Tensor, *, k: Dim, axis: int, largest: bool) -> list[Stored]:
    """Each element goes where the number of those before it says: all pairs along the axis are compared."""
    source, shape, is_float = n.row_major(x), n.x.shape, n.x.dtype.is_float
    values, indices = (r.type for r in n.node.results)

    def body(scope: KernelScope) -> None:
        sizes = [scope.size(d) for d in shape]
        extent, wanted = sizes[axis], int64(scope.size(k))
        others = [*sizes[:axis], *sizes[axis + 1 :]]
        with loops.nest([*others, extent], loops.is_large([*sizes, extent])) as (*place, own):

            def at(position: Any) -> list[Any]:
                return [*place[:axis], position, *place[axis:]]

            mine = scope.read(source, at(own))

            def before(_: list[Any], reduced: list[Any]) -> Expr:
                other = scope.read(source, at(reduced[0]))
                wins = other > mine if largest else other < mine
                same = tirx.EQ(other, mine)
                if is_float:
                    other_nan, mine_nan = maths.is_nan(other), maths.is_nan(mine)
                    first, second = (other_nan, mine_nan) if largest else (mine_nan, other_nan)
                    wins = tirx.any(wins, tirx.all(first, maths.negated(second)))
                    same = tirx.any(same, tirx.all(other_nan, mine_nan))
                return tirx.any(wins, tirx.all(same, reduced[0] < own)).astype("int32")

            work = Accumulation([extent], tirx.const(0, "int32"), before, lambda a, b: a + b)
            rank = loops.accumulated([], work, scope.scratch, True, [], extent).astype("int64")
            with script.If(rank < wanted), script.Then():
                scope.store(0, values, row_major(values.rank), at(rank), mine)
                scope.store(1, indices, row_major(indices.rank), at(rank), own)

    return n.kernel(body, [source], [values, indices])


MISSING = lacks(log_sum_exp="written out in primitive ops")
"""Composites that are as fast taken apart."""
