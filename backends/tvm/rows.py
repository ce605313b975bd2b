"""Kernels that go over a row several times: softmax and normalisations.

A row is what one axis, or the last axes, of a row-major tensor hold. The result's memory keeps what is computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isthmus.backends.tvm import carriers, maths
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import const
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.schedule_default import Accumulation
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Deliver, Pending, Tensor


def softmax(n: Network, x: Tensor, axis: int, *, is_log: bool) -> Pending:
    """exp(x - max) / sum, or its logarithm, along one axis."""
    source = n.row_major(x)
    shape, dtype = source.type.shape, carriers.computed(source.type.dtype)
    is_vector = dtype == "float32"

    def write(scope: KernelScope, deliver: Deliver) -> None:
        sizes = [scope.size(d) for d in shape]
        others, inner = [*sizes[:axis], *sizes[axis + 1 :]], sizes[axis]
        with loops.nest(others, loops.is_large(sizes)) as place:

            def at(position: Any) -> list[Any]:
                return [*place[:axis], position, *place[axis:]]

            def read(position: Any) -> Expr:
                return scope.read(source, at(position))

            top = row(scope, tirx.const(float("-inf"), dtype), read, maths.maximum, inner, is_vector)
            total = row(scope, tirx.const(0, dtype), lambda p: maths.exp(read(p) - top), _sum, inner, is_vector)
            scale = scope.bind(maths.log(total) if is_log else const(1, total) / total)

            def put(position: Any) -> None:
                shifted = read(position) - top
                deliver(at(position), shifted - scale if is_log else maths.exp(shifted) * scale)

            sweep(inner, put, is_vector)

    return n.pending(write, source)


def standardized(
    n: Network,
    x: Tensor,
    first: int,
    epsilon: float,
    parameters: tuple[Tensor, ...],
    affine: Callable[..., Expr],
    *,
    is_centred: bool,
) -> Pending:
    """x over axes first..last with mean 0 (if centred) and mean square 1, then `affine(scope, value, at, given)`."""
    source = n.row_major(x)
    given = tuple(n.memory(p) for p in parameters)
    shape, dtype = source.type.shape, carriers.computed(source.type.dtype)

    def write(scope: KernelScope, deliver: Deliver) -> None:
        sizes = [scope.size(d) for d in shape]
        outer, inner = sizes[:first], sizes[first:]
        count = loops.int64(loops.volume(inner)).astype(dtype)
        with loops.nest(outer, loops.is_large(sizes)) as place:

            def read(position: Any) -> Expr:
                """Row-major, so that the innermost index may run on over all of a row."""
                return scope.read(source, [*place, *[loops.int64(0)] * (len(inner) - 1), position])

            zero = tirx.const(0, dtype)
            extent = loops.volume(inner)
            mean = zero
            if is_centred:
                mean = scope.bind(row(scope, zero, read, _sum, extent, True) / count)

            def square(position: Any) -> Expr:
                off = scope.bind(read(position) - mean)
                return off * off

            power = row(scope, zero, square, _sum, extent, True) / count
            factor = scope.bind(const(1, power) / tirx.sqrt(power + const(epsilon, power)))

            with loops.serial_nest(inner[:-1]) as middle:

                def put(position: Any) -> None:
                    index = [*place, *middle, position]
                    deliver(index, affine(scope, (scope.read(source, index) - mean) * factor, index, given))

                sweep(inner[-1], put, True)

    return n.pending(write, source, *given)


def row(
    scope: KernelScope,
    init: Expr,
    element: Callable[[Any], Expr],
    combine: Callable[[Expr, Expr], Expr],
    extent: Any,
    is_vector: bool,
) -> Expr:
    """A reduction over the positions of one row, in the loop that is open."""
    work = Accumulation([extent], init, lambda _, reduced: element(reduced[0]), combine)
    return loops.accumulated([], work, scope.scratch, is_vector, [], extent)


def sweep(extent: Any, body: Callable[[Any], None], is_vector: bool) -> None:
    """`body` for every position of one row."""
    for strip in loops.strips(extent, loops.LANES):
        with loops.serial_nest([strip.count]) as (step,), loops.lanes(strip.width, is_vector) as lane:
            body(loops.int64(strip.start) + step * loops.int64(strip.width) + lane)


def _sum(x: Expr, y: Expr) -> Expr:
    return x + y
