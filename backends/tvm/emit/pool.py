"""Poolings, with channels innermost in memory."""

from __future__ import annotations

from typing import Any

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import carriers, maths
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import script, tirx
from isthmus.backends.tvm.emit.reduce import extreme
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import const, select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.orders import channels_last, row_major
from isthmus.backends.tvm.schedule_default import Accumulation, int64
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Deliver, Stored, Tensor
from isthmus.backends.tvm.windows import Ints, Pads, placed


@emits("max_pool", "avg_pool", "lp_pool")
def pool(
    n: Network,
    x: Tensor,
    *,
    kernel: Ints,
    strides: Ints,
    pads: Pads,
    dilations: Ints,
    ceil_mode: bool,
    count_include_pad: bool = False,
    p: int = 2,
) -> Tensor:
    """Windows of what is inside the image; what is outside counts as the op says."""
    name, type, dtype, shape = n.node.op.name, n.type, n.x.dtype, n.x.shape
    perm = channels_last(len(shape))
    source = n.memory(x, perm)
    kind = carriers.computed(dtype)
    calls = name == "lp_pool"

    def write(scope: KernelScope, deliver: Deliver) -> None:
        sources = [int64(scope.size(d)) for d in shape[2:]]
        init = extreme(dtype, is_least=True) if name == "max_pool" else tirx.const(0, kind)

        def element(index: list[Any], reduced: list[Any]) -> Expr:
            image, *position, channel = index
            inside: list[Expr] = []
            places: list[Expr] = []
            for place, size, (low, _) in zip(placed(position, reduced, strides, dilations), sources, pads, strict=True):
                own = place - int64(low)
                inside += [own >= int64(0), own < size]
                places.append(tirx.min(tirx.max(own, int64(0)), size - int64(1)))
            value = scope.read(source, [image, channel, *places])
            if name == "lp_pool":
                value = _powered(tirx.abs(value), p)
            return select(tirx.all(*inside), value, init)

        def finish(index: list[Any], value: Expr) -> None:
            image, *position, channel = index
            if name == "avg_pool":
                value = value / _counted(position, kernel, strides, pads, dilations, sources, count_include_pad, kind)
            elif name == "lp_pool":
                value = tirx.sqrt(value) if p == 2 else maths.libm("pow", value, const(1 / p, value))
            deliver([image, channel, *position], value)

        combine = maths.maximum if name == "max_pool" else (lambda a, b: a + b)
        extents = [scope.size(type.shape[a]) for a in perm]
        loops.tiled(extents, Accumulation(list(kernel), init, element, combine), scope.scratch, finish, not calls)

    return n.pending(write, source, perm=perm)


def _powered(x: Expr, p: int) -> Expr:
    total = x
    for _ in range(p - 1):
        total = total * x
    return total


def _counted(
    position: list[Any],
    kernel: Ints,
    strides: Ints,
    pads: Pads,
    dilations: Ints,
    sources: list[Expr],
    with_pads: bool,
    kind: str,
) -> Expr:
    """How many taps of a window count."""
    total: Expr = tirx.const(1, kind)
    for place, k, s, (low, high), d, size in zip(position, kernel, strides, pads, dilations, sources, strict=True):
        start = place * int64(s) - int64(low)
        first, end = (int64(-low), size + int64(high)) if with_pads else (int64(0), size)
        skipped = tirx.floordiv(tirx.max(first - start, int64(0)) + int64(d - 1), int64(d))
        reached = tirx.floordiv(tirx.max(end - start, int64(0)) + int64(d - 1), int64(d))
        total = total * (tirx.min(reached, int64(k)) - skipped).astype(kind)
    return total


@emits("max_pool_with_indices")
def max_pool_with_indices(
    n: Network, x: Tensor, *, kernel: Ints, strides: Ints, pads: Pads, dilations: Ints, ceil_mode: bool
) -> list[Stored]:
    """One pass over each window; of equals the first, and NaN first of all."""
    source, shape, dtype = n.row_major(x), n.x.shape, n.x.dtype
    values, indices = (r.type for r in n.node.results)

    def body(scope: KernelScope) -> None:
        sizes = [scope.size(d) for d in shape]
        with loops.nest([scope.size(d) for d in values.shape], loops.is_large(sizes)) as (image, channel, *position):
            best = scope.scratch((1,), carriers.computed(dtype))
            found = scope.scratch((1,), "int64")
            script.buffer_store(best, extreme(dtype, is_least=True), [0])
            script.buffer_store(found, int64(-1), [0])
            with loops.serial_nest(list(kernel)) as taps:
                places = [
                    place - int64(low)
                    for place, (low, _) in zip(placed(position, taps, strides, dilations), pads, strict=True)
                ]
                inside = [
                    each
                    for place, size in zip(places, sizes[2:], strict=True)
                    for each in (place >= int64(0), place < int64(size))
                ]
                with script.If(tirx.all(*inside)), script.Then():
                    at = [image, channel, *places]
                    value, top = scope.read(source, at), scope.bind(best[0])
                    wins = tirx.any(value > top, found[0] < int64(0))
                    if dtype.is_float:
                        wins = tirx.any(wins, tirx.all(maths.is_nan(value), maths.negated(maths.is_nan(top))))
                    wins = scope.bind(wins)
                    flat = int64(0)
                    for size, p in zip(sizes, at, strict=True):
                        flat = flat * int64(size) + p
                    script.buffer_store(best, select(wins, value, top), [0])
                    script.buffer_store(found, select(wins, flat, found[0]), [0])
            at = [image, channel, *position]
            scope.store(0, values, row_major(values.rank), at, scope.bind(best[0]))
            scope.store(1, indices, row_major(indices.rank), at, scope.bind(found[0]))

    return n.kernel(body, [source], [values, indices])
