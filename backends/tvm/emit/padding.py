"""What surrounds a tensor: formulas that read inside of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import carriers
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.schedule_default import int64
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Index, Scope, Tensor
from isthmus.ir.dim import Dim, bounds
from isthmus.ir.types import I64, TensorType


@emits("pad")
def pad(n: Network, x: Tensor, value: Tensor | None = None, *, pads: tuple[tuple[Dim, Dim], ...], mode: str) -> Tensor:
    """Read at the nearest place inside, or the mirrored or repeated one; a constant stands for what is outside."""
    lows = [low for low, _ in pads]
    return _padded(n, x, value, lambda scope: [int64(scope.size(low)) for low in lows], mode, ())


@emits("dynamic_pad")
def dynamic_pad(n: Network, x: Tensor, pads: Tensor, value: Tensor | None = None, *, mode: str) -> Tensor:
    """The sizes are computed first. Negative amounts cut before anything is padded."""
    amounts = n.row_major(pads)
    rank, shape = n.x.rank, n.x.shape
    sizes_type = TensorType(I64, (rank,))

    def amount(scope: Any, i: int) -> Expr:
        return scope.read(amounts, [int64(i)]).astype("int64")

    def body(scope: KernelScope) -> None:
        for i in range(rank):
            total = int64(scope.size(shape[i])) + amount(scope, i) + amount(scope, i + rank)
            scope.store(0, sizes_type, (0,), [int64(i)], tirx.max(total, int64(0)))

    (sizes,) = n.kernel(body, [amounts], [sizes_type], extra=shape)
    n.learn(sizes, n.type.shape)
    source = n.memory(x)
    cut = [(lambda scope, i=i: (amount(scope, i), amount(scope, i + rank))) for i in range(rank)]
    return _padded(n, source, value, lambda scope: [amount(scope, i) for i in range(rank)], mode, (amounts,), cut)


def _padded(
    n: Network,
    x: Tensor,
    value: Tensor | None,
    befores: Any,
    mode: str,
    reads: tuple[Tensor, ...],
    cuts: Sequence[Any] = (),
) -> Tensor:
    shape, dtype = n.x.shape, n.x.dtype
    source = n.memory(x)
    is_empty = any(bounds(d)[0] == 0 for d in shape)

    def element(scope: Scope, at: Index) -> Expr:
        inside: list[Expr] = []
        places: list[Expr] = []
        for axis, low in enumerate(befores(scope)):
            first, end = int64(0), int64(scope.size(shape[axis]))
            if cuts:
                before, after = cuts[axis](scope)
                first = tirx.max(int64(0) - before, int64(0))
                end = end - tirx.max(int64(0) - after, int64(0))
            place = at[axis] - low
            inside += [place >= first, place < end]
            places.append(_place(place, first, end, mode))
        if mode != "constant":
            return scope.read(source, places)
        fill = tirx.const(0, carriers.computed(dtype)) if value is None else scope.read(value, ())
        if not inside:
            return scope.read(source, places)
        if is_empty:
            return tirx.if_then_else(tirx.all(*inside), scope.load(source, places), fill)
        return select(tirx.all(*inside), scope.read(source, places), fill)

    more = () if value is None else (value,)
    return n.formula(element, source, *more, *reads)


def _place(place: Expr, first: Expr, end: Expr, mode: str) -> Expr:
    """Where a place outside first..end is read from."""
    last = end - int64(1)
    if mode == "reflect":
        period = tirx.max(last - first, int64(1)) * int64(2)
        off = tirx.floormod(place - first, period)
        return first + select(off > last - first, tirx.max(period - off, int64(0)), off) * select(
            last > first, int64(1), int64(0)
        )
    if mode == "wrap":
        return first + tirx.floormod(place - first, tirx.max(end - first, int64(1)))
    return tirx.min(tirx.max(place, first), last)
