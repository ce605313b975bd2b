"""Layer, RMS, group and instance norms over rows of memory: statistics in f32, in two passes as the definition says.

A row is what is normalized together: the last dimensions, or a group's channels with all their pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from isthmus.backends.base import Refused
from isthmus.backends.tvm.carriers import carrier, computed
from isthmus.backends.tvm.kernels import Buffer, Expr, Group, Kernel, Machine, Offer, PrimFunc, Sizes, Stored, Tail
from isthmus.backends.tvm.schedules.indexing import product, quotient, remainder, row_major, unravel, view
from isthmus.backends.tvm.schedules.rows import Rows
from isthmus.backends.tvm.schedules.write import Finish, function, load, splat, store, widened
from tvm import tirx
from tvm.tirx.script import builder as tir


def tail_norm(group: Group, machine: Machine) -> Offer:
    """layer_norm and rms_norm, with parameters of the shape of the normalized dimensions."""
    x, *parameters = group.anchor.inputs
    axis = group.anchor.attrs["axis"] % x.rank
    if any(p.shape != x.shape[axis:] for p in parameters):
        return Refused("parameters that broadcast along the normalized dimensions")
    return _norm(group, machine, axis, lambda row, position, sizes: position)


def channel_norm(group: Group, machine: Machine) -> Offer:
    """group_norm and instance_norm over [N, C, *spatial] in row-major memory."""
    x = group.anchor.inputs[0]
    channels = x.shape[1]
    groups = group.anchor.attrs.get("groups", channels)
    if not isinstance(channels, int):
        return Refused("the number of channels is not known")
    each = channels // groups

    def channel(row: Expr, position: Expr, sizes: Sizes) -> Expr:
        pixels = product([sizes(d) for d in x.shape[2:]])
        return remainder(row, groups) * each + quotient(position, pixels)

    return _norm(group, machine, 2, channel, groups)


def _norm(
    group: Group, machine: Machine, axis: int, parameter: Callable[[Expr, Expr, Sizes], Expr], groups: int | None = None
) -> Offer:
    """Rows of the dimensions from `axis` on, and of a group's channels; `parameter`: where a factor stands."""
    x, *parameters = group.anchor.inputs
    present = group.anchor.operands
    name, epsilon = group.anchor.op.name, group.anchor.attrs["epsilon"]
    if any(computed(v.dtype) != "float32" for v in (x, *parameters)):
        return Refused(f"{name} of {x.dtype.name}")
    has_scale = len(present) > 1 and present[1] is not None
    has_bias = len(present) > 2 and present[2] is not None

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        shape = [sizes(d) for d in x.shape]
        if groups is None:
            count, length = product(shape[:axis]), product(shape[axis:])
        else:
            count, length = shape[0] * groups, shape[1] // groups * product(shape[2:])
        rows = Rows(count, length, machine)

        def body(operands: Sequence[Buffer], result: Buffer, finish: Finish) -> None:
            source, made = view(operands[0], (count, length)), view(result, (count, length))
            flat = [
                view(b, (product([sizes(d) for d in v.shape]),)) for b, v in zip(operands[1:], parameters, strict=True)
            ]
            scale = flat[0] if has_scale else None
            bias = flat[-1] if has_bias else None

            def one(row: Expr, kept: Buffer) -> None:
                def keep(position: Expr | int, some: int) -> Expr:
                    value = tir.bind(widened(load(source, [row, position], some), x.dtype))
                    store(kept, value, [position], some)
                    return value

                def deviation(position: Expr | int, some: int) -> Expr:
                    value = load(kept, [position], some)
                    if mean is not None:
                        value = tir.bind(value - splat(mean, some))
                        store(kept, value, [position], some)
                    return value

                per_element = tir.float32(1.0) / tirx.Cast("float32", length)
                mean: Expr | None = None
                if name == "rms_norm":
                    power = rows.reduce(0.0, add, lambda at, some: square(keep(at, some)))
                else:
                    mean = tir.bind(rows.reduce(0.0, add, keep) * per_element)
                    power = rows.reduce(0.0, add, lambda at, some: square(deviation(at, some)))
                factor = tir.bind(tir.float32(1.0) / tirx.sqrt(power * per_element + tir.float32(epsilon)))

                def put(position: Expr) -> None:
                    value = kept[position] * factor
                    place = parameter(row, position, sizes)
                    if scale is not None:
                        value = value * widened(scale[place], parameters[0].dtype)
                    if bias is not None:
                        value = value + widened(bias[place], parameters[-1].dtype)
                    at = (
                        unravel(row * length + position, shape)
                        if groups or x.rank - axis != 1
                        else [*unravel(row, shape[:axis]), position]
                    )
                    store(made, finish(value, at), [row, position])

                rows.finish(put)

            rows.each(one)

        given = [(f"x{i}", [sizes(d) for d in v.shape], carrier(v.dtype)) for i, v in enumerate((x, *parameters))]
        return function(given, shape, body, tail, sizes)

    order = tuple(Stored(row_major(v.rank)) for v in (x, *parameters))
    key = (name, x.type, tuple(v.type for v in parameters), has_scale, axis, groups, epsilon, machine)
    return Kernel(key, write, order, row_major(x.rank), f"{name} by rows")


def add(a: Expr, b: Expr) -> Expr:
    """a + b."""
    return a + b


def square(x: Expr) -> Expr:
    """x * x."""
    return x * x
