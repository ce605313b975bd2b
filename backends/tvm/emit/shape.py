"""Ops that move elements about: formulas that read another index."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import carriers
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.fusion import preferred_perm
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import select
from isthmus.backends.tvm.network import Network, logical
from isthmus.backends.tvm.rows import sweep
from isthmus.backends.tvm.schedule_default import int64
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Deliver, Formula, Index, Scope, Stored, Tensor
from isthmus.ir.dim import Dim, Shape, bounds
from isthmus.ir.types import I64, TensorType


@emits("shape_of")
def shape_of(n: Network, x: Tensor) -> Tensor:
    """The sizes as i64."""

    def body(scope: KernelScope) -> None:
        for i, dim in enumerate(n.x.shape):
            scope.store(0, n.type, (0,), [int64(i)], int64(scope.size(dim)))

    return n.kernel(body, [], [n.type], extra=n.x.shape)[0]


@emits("reshape")
def reshape(n: Network, x: Tensor, *, shape: Shape) -> Tensor:
    """The same memory."""
    return n.reshaped(x, n.type)


@emits("dynamic_reshape")
def dynamic_reshape(n: Network, x: Tensor, shape: Tensor) -> Tensor:
    """The sizes are computed first; a -1 is what remains."""
    wanted = n.row_major(shape)
    rank = n.type.rank
    sizes_type = TensorType(I64, (rank,))

    def body(scope: KernelScope) -> None:
        given = [scope.read(wanted, [int64(i)]).astype("int64") for i in range(rank)]
        known = int64(1)
        for each in given:
            known = scope.bind(known * select(each < int64(0), int64(1), each))
        total = loops.int64(loops.volume([scope.size(d) for d in n.x.shape]))
        rest = tirx.floordiv(total, tirx.max(known, int64(1)))
        for i, each in enumerate(given):
            scope.store(0, sizes_type, (0,), [int64(i)], select(each < int64(0), rest, each))

    (sizes,) = n.kernel(body, [wanted], [sizes_type], extra=n.x.shape)
    n.learn(sizes, n.type.shape)
    return n.reshaped(x, n.type)


@emits("expand")
def expand(n: Network, x: Tensor, *, shape: Shape) -> Tensor:
    """Read at the broadcast index."""
    return n.broadcast(x)


@emits("dynamic_expand")
def dynamic_expand(n: Network, x: Tensor, shape: Tensor) -> Tensor:
    """The sizes are computed first: of two, the one that is not 1."""
    wanted = n.row_major(shape)
    rank, length = n.type.rank, int(n.node.inputs[1].shape[0])  # type: ignore[arg-type]
    sizes_type = TensorType(I64, (rank,))
    source = n.x.shape

    def body(scope: KernelScope) -> None:
        for i in range(rank):
            own = i - (rank - len(source))
            given = i - (rank - length)
            have = int64(scope.size(source[own])) if own >= 0 else int64(1)
            want = scope.read(wanted, [int64(given)]).astype("int64") if given >= 0 else int64(1)
            scope.store(0, sizes_type, (0,), [int64(i)], select(tirx.EQ(have, int64(1)), want, have))

    (sizes,) = n.kernel(body, [wanted], [sizes_type], extra=source)
    n.learn(sizes, n.type.shape)
    return n.broadcast(x)


@emits("transpose")
def transpose(n: Network, x: Tensor, *, perm: tuple[int, ...]) -> Tensor:
    """A permutation of axes; of memory, it is the same memory read in another order."""
    if isinstance(x, Stored) and x.constant is None:
        return Stored(n.type, x.var, tuple(perm.index(axis) for axis in x.perm))
    places = [perm.index(i) for i in range(len(perm))]
    return n.formula(lambda scope, at: scope.read(x, [at[p] for p in places]), x)


@emits("concat")
def concat(n: Network, *xs: Tensor, axis: int) -> Tensor:
    """Each operand starts where the one before ends: a loop for each, within one over what is outside of the axis."""
    model = next((x for x in xs if isinstance(x, Stored)), xs[0])
    perm = preferred_perm(model) if isinstance(model, Formula) else model.perm
    sources = [x if isinstance(x, Formula) else n.memory(x, perm) for x in xs]
    shape = n.type.shape
    is_shareable = axis == perm[-1] and n.module.machine.registers > 0  # a GPU has threads for all elements at once

    def write(scope: KernelScope, deliver: Deliver) -> None:
        start = int64(0)

        def put(each: Tensor, start: Expr, place: list[Any]) -> None:
            at = logical(place, perm)
            moved = [p + start if a == axis else p for a, p in enumerate(at)]
            deliver(moved, scope.read(each, at))

        def run(each: Tensor, start: Expr, place: list[Any], position: Expr) -> None:
            put(each, start, [*place, position])

        outer = [scope.size(shape[a]) for a in perm[:-1]]
        if is_shareable and loops.is_large(outer, _WIDE):
            with loops.nest(outer, loops.is_large([scope.size(d) for d in shape])) as place:
                for each in sources:
                    size = scope.size(each.type.shape[axis])
                    if size != 0:
                        sweep(size, partial(run, each, start, place), _is_vector(each))
                    start = start + int64(size)
            return
        for each in sources:
            extents = [scope.size(each.type.shape[a]) for a in perm]
            if 0 not in extents:
                loops.pointwise(extents, partial(put, each, start), _is_vector(each))
            start = start + int64(scope.size(each.type.shape[axis]))

    return n.pending(write, *sources, perm=perm)


_WIDE = 512
"""Elements an operand of `concat` may bring for each turn of a loop that is worth sharing."""


def _is_vector(tensor: Tensor) -> bool:
    return not (isinstance(tensor, Formula) and tensor.uses_libm)


@emits("split")
def split(n: Network, x: Tensor, *, axis: int, sizes: Shape) -> list[Tensor]:
    """Each part starts where the one before ends."""
    parts: list[Tensor] = []
    start: Dim = 0
    for value, size in zip(n.node.results, sizes, strict=True):
        parts.append(_window(n, x, value.type, {axis: (start, 1)}))
        start = start + size
    return parts


@emits("slice")
def slice_(
    n: Network, x: Tensor, *, axes: tuple[int, ...], starts: Shape, stops: Shape, steps: tuple[int, ...]
) -> Tensor:
    """Windows along some axes."""
    windows = {axis: (start, step) for axis, start, step in zip(axes, starts, steps, strict=True)}
    return _window(n, x, n.type, windows)


def _window(n: Network, x: Tensor, type: TensorType, windows: dict[int, tuple[Dim, int]]) -> Tensor:
    def element(scope: Scope, at: Index) -> Expr:
        moved = list(at)
        for axis, (start, step) in windows.items():
            moved[axis] = at[axis] * int64(step) + int64(scope.size(start))
        return scope.read(x, moved)

    return n.formula(element, x, type=type, extra=[start for start, _ in windows.values()])


@emits("reverse")
def reverse(n: Network, x: Tensor, *, axes: tuple[int, ...]) -> Tensor:
    """Read from the end."""

    def element(scope: Scope, at: Index) -> Expr:
        size = n_shape.__getitem__
        moved = [int64(scope.size(size(a))) - int64(1) - p if a in axes else p for a, p in enumerate(at)]
        return scope.read(x, moved)

    n_shape = n.x.shape
    return n.formula(element, x)


@emits("dynamic_slice")
def dynamic_slice(
    n: Network, x: Tensor, starts: Tensor, stops: Tensor, *, axes: tuple[int, ...], steps: tuple[int, ...]
) -> Tensor:
    """Bounds are clamped as Python clamps them, and the sizes between them computed, first."""
    given = n.row_major(starts), n.row_major(stops)
    count = len(axes)
    shape, result = n.x.shape, n.type
    bounds_type = TensorType(I64, (2, max(count, 1)))

    def body(scope: KernelScope) -> None:
        for i, (axis, step) in enumerate(zip(axes, steps, strict=True)):
            size = int64(scope.size(shape[axis]))
            low, high = (int64(0), size) if step > 0 else (int64(-1), size - int64(1))
            first, last = (
                _clamped(scope.bind(scope.read(each, [int64(i)]).astype("int64")), size, low, high) for each in given
            )
            distance = last - first if step > 0 else first - last
            length = tirx.floordiv(distance + int64(abs(step) - 1), int64(abs(step)))
            scope.store(0, bounds_type, (0, 1), [int64(0), int64(i)], first)
            scope.store(0, bounds_type, (0, 1), [int64(1), int64(i)], tirx.max(length, int64(0)))

    (found,) = n.kernel(body, list(given), [bounds_type], extra=shape)
    lengths = n.formula(lambda scope, at: scope.read(found, [int64(1), at[0]]), found, type=TensorType(I64, (count,)))
    n.learn(lengths, tuple(result.shape[axis] for axis in axes))

    def element(scope: Scope, at: Index) -> Expr:
        moved = list(at)
        for i, (axis, step) in enumerate(zip(axes, steps, strict=True)):
            moved[axis] = scope.read(found, [int64(0), int64(i)]) + at[axis] * int64(step)
        return scope.read(source, moved)

    source = n.memory(x)
    return n.formula(element, source, found)


def _clamped(bound: Expr, size: Expr, low: Expr, high: Expr) -> Expr:
    counted = select(bound < int64(0), bound + size, bound)
    return tirx.min(tirx.max(counted, low), high)


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


@emits("tile")
def tile(n: Network, x: Tensor, *, repeats: Shape) -> Tensor:
    """Read at the remainder of the index."""
    return _tiled(n, n.memory(x))


@emits("dynamic_tile")
def dynamic_tile(n: Network, x: Tensor, repeats: Tensor) -> Tensor:
    """The sizes are computed first."""
    counts, shape = n.row_major(repeats), n.x.shape
    sizes_type = TensorType(I64, (len(shape),))

    def body(scope: KernelScope) -> None:
        for i, dim in enumerate(shape):
            total = scope.read(counts, [int64(i)]).astype("int64") * int64(scope.size(dim))
            scope.store(0, sizes_type, (0,), [int64(i)], total)

    (sizes,) = n.kernel(body, [counts], [sizes_type], extra=shape)
    n.learn(sizes, n.type.shape)
    return _tiled(n, n.memory(x))


def _tiled(n: Network, x: Stored) -> Tensor:
    def element(scope: Scope, at: Index) -> Expr:
        return scope.read(x, [tirx.floormod(p, int64(scope.size(d))) for p, d in zip(at, x.type.shape, strict=True)])

    return n.formula(element, x)
