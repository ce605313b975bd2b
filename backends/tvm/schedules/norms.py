"""Layer and RMS norms over rows of memory: statistics in f32, in two passes as the definition says.

A row is what is normalized together: the last dimensions. Norms over a channel's pixels are better off with the default
loops, whose last sweep knows where it is without dividing.
"""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.backends.base import Refused
from isthmus.backends.tvm.carriers import carrier, computed
from isthmus.backends.tvm.kernels import Buffer, Expr, Group, Kernel, Machine, Offer, PrimFunc, Sizes, Stored, Tail
from isthmus.backends.tvm.orders import row_major
from isthmus.backends.tvm.schedules.indexing import product, unravel, view
from isthmus.backends.tvm.schedules.rows import Rows
from isthmus.backends.tvm.schedules.write import Finish, function, load, splat, store, widened
from tvm import tirx
from tvm.tirx.script import builder as tir


def norm(group: Group, machine: Machine) -> Offer:
    """layer_norm and rms_norm, with parameters of the shape of the normalized dimensions."""
    x, *parameters = group.anchor.inputs
    present = group.anchor.operands
    name, epsilon = group.anchor.op.name, group.anchor.attrs["epsilon"]
    axis = group.anchor.attrs["axis"] % x.rank
    if any(p.shape != x.shape[axis:] for p in parameters):
        return Refused("parameters that broadcast along the normalized dimensions")
    if any(computed(v.dtype) != "float32" for v in (x, *parameters)):
        return Refused(f"{name} of {x.dtype.name}")
    has_scale = len(present) > 1 and present[1] is not None
    has_bias = len(present) > 2 and present[2] is not None

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        shape = [sizes(d) for d in x.shape]
        count, length = product(shape[:axis]), product(shape[axis:])
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
                    if scale is not None:
                        value = value * widened(scale[position], parameters[0].dtype)
                    if bias is not None:
                        value = value + widened(bias[position], parameters[-1].dtype)
                    at = (
                        unravel(row * length + position, shape)
                        if x.rank - axis != 1
                        else [*unravel(row, shape[:axis]), position]
                    )
                    store(made, finish(value, at), [row, position])

                rows.finish(put)

            rows.each(one)

        given = [(f"x{i}", [sizes(d) for d in v.shape], carrier(v.dtype)) for i, v in enumerate((x, *parameters))]
        return function(given, shape, body, tail, sizes)

    order = tuple(Stored(row_major(v.rank)) for v in (x, *parameters))
    key = (name, x.type, tuple(v.type for v in parameters), has_scale, axis, epsilon, machine)
    return Kernel(key, write, order, row_major(x.rank), f"{name} by rows")


def add(a: Expr, b: Expr) -> Expr:
    """a + b."""
    return a + b


def square(x: Expr) -> Expr:
    """x * x."""
    return x * x
