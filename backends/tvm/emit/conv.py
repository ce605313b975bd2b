"""Convolutions, with channels innermost in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import carriers
from isthmus.backends.tvm import schedule_default as loops
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.orders import channels_last
from isthmus.backends.tvm.schedule_default import Accumulation, int64
from isthmus.backends.tvm.scope import KernelScope
from isthmus.backends.tvm.tensors import Deliver, Tensor
from isthmus.backends.tvm.windows import Ints, Pads, padded, placed


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
    x_shape, shape = n.x.shape, n.node.inputs[1].shape

    def write(scope: KernelScope, deliver: Deliver) -> None:
        spatial = [scope.size(d) for d in type.shape[2:]]
        sources = [int64(scope.size(d)) for d in x_shape[2:]]
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

    return n.pending(write, source, filters, *added, perm=perm)


def zero(type: Any) -> Expr:
    """0 as elements of a type are computed."""
    return tirx.const(0, carriers.computed(type.dtype))
