"""softmax and log_softmax along the innermost axis: greatest element, sum of exponentials, quotient."""

from __future__ import annotations

import math
from collections.abc import Sequence

from isthmus.backends.base import Refused
from isthmus.backends.tvm.carriers import carrier, computed
from isthmus.backends.tvm.kernels import Buffer, Expr, Group, Kernel, Machine, Offer, PrimFunc, Sizes, Stored, Tail
from isthmus.backends.tvm.orders import row_major
from isthmus.backends.tvm.schedules.indexing import product, unravel, view
from isthmus.backends.tvm.schedules.mathfunctions import exp_of_negative, log
from isthmus.backends.tvm.schedules.rows import Rows
from isthmus.backends.tvm.schedules.write import Finish, function, load, splat, store, widened
from tvm import tirx
from tvm.tirx.script import builder as tir


def softmax(group: Group, machine: Machine) -> Offer:
    """softmax or log_softmax over [..., n], any sizes."""
    [x] = group.anchor.inputs
    is_log = group.anchor.op.name == "log_softmax"
    if computed(x.dtype) != "float32":
        return Refused(f"{group.anchor.op.name} of {x.dtype.name}")
    if group.anchor.attrs["axis"] % x.rank != x.rank - 1:
        return Refused("the axis is not the innermost")

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        *outer, length = [sizes(d) for d in x.shape]
        rows = Rows(product(outer), length, machine)

        def body(operands: Sequence[Buffer], result: Buffer, finish: Finish) -> None:
            source, made = view(operands[0], (rows.count, length)), view(result, (rows.count, length))

            def one(row: Expr, kept: Buffer) -> None:
                def keep(position: Expr | int, some: int) -> Expr:
                    value = tir.bind(widened(load(source, [row, position], some), x.dtype))
                    store(kept, value, [position], some)
                    return value

                def power(position: Expr | int, some: int) -> Expr:
                    shifted = tir.bind(load(kept, [position], some) - splat(most, some))
                    value = tir.bind(exp_of_negative(shifted))
                    store(kept, shifted if is_log else value, [position], some)
                    return value

                most = rows.reduce(-math.inf, greatest, keep)
                total = rows.reduce(0.0, lambda a, b: a + b, power)
                factor = tir.bind(log(total) if is_log else tir.float32(1.0) / total)

                def put(position: Expr) -> None:
                    value = kept[position] - factor if is_log else kept[position] * factor
                    store(made, finish(value, [*unravel(row, outer), position]), [row, position])

                rows.finish(put)

            rows.each(one)

        return function([("x", [*outer, length], carrier(x.dtype))], [*outer, length], body, tail, sizes)

    perm = row_major(x.rank)
    title = group.anchor.op.name
    return Kernel((title, x.type, machine), write, (Stored(perm),), perm, f"{title} by rows")


def greatest(a: Expr, b: Expr) -> Expr:
    """The greater one; b where either is NaN."""
    return tirx.Select(a > b, a, b)
