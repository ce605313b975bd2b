"""Convolutions, poolings and normalisations, with channels innermost in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.tvm import carriers, maths, rows
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import script, tirx
from isthmus.backends.tvm.emit.reduce import extreme
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import const, select
from isthmus.backends.tvm.network import Network, broadcast_index, row_major
from isthmus.backends.tvm.schedule_default import Accumulation, int64
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Deliver, Index, Scope, Stored, Tensor
from isthmus.backends.tvm.windows import Pads, channels_last, padded, placed

Ints = tuple[int, ...]


@emits("conv")
def conv(
    n: Network,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: Ints,
    pads: Pads,
    dilations: Ints,
    groups: int,
) -> Tensor:
    """Output channels lie side by side; each group has its own."""
    rank, type = n.x.rank, n.type
    shape = n.node.inputs[1].shape
    operands = [each for each in (x, weight, bias) if each is not None]

    def prepare() -> tuple[Callable[[KernelScope, Deliver], None], tuple[Tensor, ...]]:
        wide = padded(n, x, pads, zero(type))
        filters = n.memory(weight, (*range(2, rank), 1, 0))
        added = () if bias is None else (n.memory(bias),)

        def write(scope: KernelScope, deliver: Deliver) -> None:
            spatial = [scope.size(d) for d in type.shape[2:]]
            outputs, inputs = scope.size(shape[0]), scope.size(shape[1])
            per_group = outputs if groups == 1 else outputs // groups
            lead = [scope.size(type.shape[0]), *spatial]
            # one channel a group lies side by side with those of other groups; more do among themselves
            is_depthwise = groups > 1 and inputs == 1 and per_group == 1
            extents = [*lead, outputs] if groups == 1 or is_depthwise else [lead[0], groups, *spatial, per_group]

            def parts(index: list[Any]) -> tuple[Any, list[Any], Any, Any]:
                if groups == 1:
                    return index[0], index[1:-1], index[-1], int64(0)
                if is_depthwise:
                    return index[0], index[1:-1], index[-1], index[-1]
                first = index[1] * int64(inputs)
                return index[0], index[2:-1], index[1] * int64(per_group) + index[-1], first

            def element(index: list[Any], reduced: list[Any]) -> Expr:
                image, position, output, first = parts(index)
                *taps, channel = reduced
                places = placed(position, taps, strides, dilations)
                value = scope.read(wide, [image, first + channel, *places])
                return value * scope.read(filters, [output, channel, *taps])

            def finish(index: list[Any], value: Expr) -> None:
                image, position, output, _ = parts(index)
                total = value + scope.read(added[0], [output]) if added else value
                deliver([image, output, *position], total)

            domain = [*(scope.size(d) for d in shape[2:]), inputs]
            work = Accumulation(domain, zero(type), element, lambda a, b: a + b)
            loops.tiled(extents, work, scope.scratch, finish)

        return write, (wide, filters, *added)

    return n.deferred(prepare, operands, channels_last(rank))


def zero(type: Any) -> Expr:
    """0 as elements of a type are computed."""
    return tirx.const(0, carriers.computed(type.dtype))


@emits("conv_transpose")
def conv_transpose(
    n: Network,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: Ints,
    pads: Pads,
    dilations: Ints,
    output_padding: Ints,
    groups: int,
) -> Tensor:
    """Gathered: each result sums the elements whose multiples of the weight reach it."""
    rank, type = n.x.rank, n.type
    perm = channels_last(rank)
    source = n.memory(x, perm)
    filters = n.memory(weight, (*range(2, rank), 0, 1))
    added = () if bias is None else (n.memory(bias),)
    shape = n.node.inputs[1].shape

    def write(scope: KernelScope, deliver: Deliver) -> None:
        spatial = [scope.size(d) for d in type.shape[2:]]
        sources = [int64(scope.size(d)) for d in n_shape[2:]]
        per_group, inputs = scope.size(shape[1]), scope.size(shape[0]) // groups
        extents = [scope.size(type.shape[0]), groups, *spatial, per_group]

        def element(index: list[Any], reduced: list[Any]) -> Expr:
            image, group, *position, output = index
            *taps, channel = reduced
            inside: list[Expr] = []
            places: list[Expr] = []
            for p, tap, stride, (low, _), dilation, size in zip(
                position, taps, strides, pads, dilations, sources, strict=True
            ):
                reach = p + int64(low) - tap * int64(dilation)
                place = tirx.floordiv(reach, int64(stride))
                inside += [tirx.EQ(place * int64(stride), reach), place >= int64(0), place < size]
                places.append(tirx.min(tirx.max(place, int64(0)), size - int64(1)))
            whole = group * int64(inputs) + channel
            product = scope.read(source, [image, whole, *places]) * scope.read(filters, [whole, output, *taps])
            return select(tirx.all(*inside), product, zero(type))

        def finish(index: list[Any], value: Expr) -> None:
            image, group, *position, output = index
            whole = group * int64(per_group) + output
            deliver([image, whole, *position], value + scope.read(added[0], [whole]) if added else value)

        work = Accumulation([*(scope.size(d) for d in shape[2:]), inputs], zero(type), element, lambda a, b: a + b)
        loops.tiled(extents, work, scope.scratch, finish)

    n_shape = n.x.shape
    return n.pending(write, source, filters, *added, perm=perm)


# -- pooling -------------------------------------------------------------------------------------


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
            scope.store(0, values, row_major(values), at, scope.bind(best[0]))
            scope.store(1, indices, row_major(indices), at, scope.bind(found[0]))

    return n.kernel(body, [source], [values, indices])


# -- normalisation -------------------------------------------------------------------------------


@emits("layer_norm")
def layer_norm(
    n: Network, x: Tensor, scale: Tensor | None = None, bias: Tensor | None = None, *, axis: int, epsilon: float
) -> Tensor:
    """Rows are the last dimensions."""
    return _normalized(n, x, scale, bias, axis, epsilon, is_centred=True)


@emits("rms_norm")
def rms_norm(n: Network, x: Tensor, scale: Tensor | None = None, *, axis: int, epsilon: float) -> Tensor:
    """Rows are the last dimensions."""
    return _normalized(n, x, scale, None, axis, epsilon, is_centred=False)


def _normalized(
    n: Network,
    x: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    axis: int,
    epsilon: float,
    *,
    is_centred: bool,
) -> Tensor:
    tail = n.x.shape[axis:]

    def affine(scope: Scope, value: Expr, at: Index, given: tuple[Stored, ...]) -> Expr:
        parameters = [scope.read(p, broadcast_index(scope, at[axis:], p.type.shape, tail)) for p in given]
        if scale is not None:
            value = value * parameters.pop(0)
        return value if bias is None else value + parameters.pop(0)

    parameters = tuple(each for each in (scale, bias) if each is not None)
    return rows.standardized(n, x, axis, epsilon, parameters, affine, is_centred=is_centred)


@emits("instance_norm")
def instance_norm(n: Network, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float) -> Tensor:
    """Rows are the spatial dimensions."""
    return rows.standardized(n, x, 2, epsilon, (scale, bias), _by_channel, is_centred=True)


def _by_channel(scope: Scope, value: Expr, at: Index, given: tuple[Stored, ...]) -> Expr:
    scale, bias = given
    return value * scope.read(scale, at[1:2]) + scope.read(bias, at[1:2])


@emits("lrn")
def lrn(n: Network, x: Tensor, *, size: int, alpha: float, beta: float, bias: float) -> Tensor:
    """The squares of `size` channels around are added up at each place."""
    source, channels = n.memory(x), n.x.shape[1]
    before = (size - 1) // 2

    def element(scope: Scope, at: Index) -> Expr:
        own = scope.read(source, at)
        total, last = const(0, own), int64(scope.size(channels)) - int64(1)
        for offset in range(-before, size - before):
            place = at[1] + int64(offset)
            near = [at[0], tirx.min(tirx.max(place, int64(0)), last), *at[2:]]
            value = scope.read(source, near)
            inside = tirx.all(place >= int64(0), place <= last)
            total = scope.bind(total + select(inside, value * value, const(0, own)))
        return own / maths.libm("pow", const(bias, own) + const(alpha / size, own) * total, const(beta, own))

    return n.formula(element, source, calls=True)


MISSING = lacks(
    batch_norm="taken apart into elementwise ops, which join what they follow",
    group_norm="taken apart: its rows are groups of channels, under another shape",
)
"""Composites that this backend writes no kernel of its own for."""
