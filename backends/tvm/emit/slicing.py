"""Parts of tensors, joined and taken out: formulas that read another index."""

from __future__ import annotations

from functools import partial
from typing import Any

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.fusion import preferred_perm
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.orders import logical
from isthmus.backends.tvm.rows import sweep
from isthmus.backends.tvm.schedule_default import int64
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Deliver, Formula, Index, Scope, Stored, Tensor
from isthmus.ir.dim import Dim, Shape
from isthmus.ir.types import I64, TensorType


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
    shape = n.x.shape

    def element(scope: Scope, at: Index) -> Expr:
        moved = [int64(scope.size(shape[a])) - int64(1) - p if a in axes else p for a, p in enumerate(at)]
        return scope.read(x, moved)

    return n.formula(element, x)
