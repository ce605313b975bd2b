"""Products of stacks of matrices, neither constant: each right-hand matrix is packed, then tiled as in gemm.

Packing reads and writes each element once, where the product reads it once for every tile of rows. Stacks are shared
out over the threads; where there are fewer matrices than threads, each product is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from isthmus.backends.base import Refused
from isthmus.backends.tvm.carriers import carrier, computed
from isthmus.backends.tvm.kernels import (
    Buffer,
    Expr,
    Group,
    Kernel,
    Machine,
    Offer,
    Perm,
    PrimFunc,
    Sizes,
    Stored,
    Tail,
)
from isthmus.backends.tvm.orders import row_major, stored
from isthmus.backends.tvm.schedules.gemm import Gemm
from isthmus.backends.tvm.schedules.indexing import broadcast, product, unravel
from isthmus.backends.tvm.schedules.repacking import repack, repack_transposed
from isthmus.backends.tvm.schedules.tiles import plan
from isthmus.backends.tvm.schedules.write import Finish, function, ramp, scratch, store, tasks, widened
from isthmus.ir.graph import Value
from tvm.tirx.script import builder as tir


def batched_matmul(group: Group, machine: Machine) -> Offer:
    """matmul of x [..., M, K] and y [..., K, N]: K and N known, the other sizes any, leading ones broadcast."""
    x, y = group.anchor.inputs
    if computed(x.dtype) != "float32":
        return Refused(f"matrices of {x.dtype.name}")
    if x.rank < 2 or y.rank < 2:
        return Refused("a vector's product")
    inner, columns = y.shape[-2:]
    if not isinstance(inner, int) or not isinstance(columns, int):
        return Refused("the size of the right-hand matrices is not known")
    batch, rows = group.anchor.results[0].shape[:-2], x.shape[-2]
    count = prod(d for d in batch if isinstance(d, int)) if all(isinstance(d, int) for d in batch) else None
    stacked = count is None or count >= machine.threads
    one = replace(machine, threads=1) if stacked else machine
    chosen = plan(one, rows if isinstance(rows, int) else None, columns, inner)
    orders = x_order, y_order = held_rows(x), held_any(y)

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        outer = [sizes(d) for d in batch]
        gemm = Gemm(sizes(rows), inner, columns, chosen, one)
        shapes = [[sizes(d) for d in v.shape] for v in (x, y)]

        def body(operands: Sequence[Buffer], result: Buffer, finish: Finish) -> None:
            left, right = operands
            with tasks(product(outer), machine.threads if stacked else 1) as i:
                index = [tir.bind(each) if not isinstance(each, int) else each for each in unravel(i, outer)]

                def read(row: Expr, k: Expr, lanes: int) -> Expr:
                    return widened(vector(left, [*broadcast(index, shapes[0][:-2]), row, k], x_order, lanes), x.dtype)

                def element(k: Expr, n: Expr, lanes: int) -> Expr:
                    return widened(vector(right, [*broadcast(index, shapes[1][:-2]), k, n], y_order, lanes), y.dtype)

                def turned(n: Expr, k: Expr, lanes: int) -> Expr:
                    at = [*broadcast(index, shapes[1][:-2]), ramp(k, lanes), n]
                    return widened(right[tuple(stored(at, y_order))], y.dtype)

                def put(row: Expr, column: Expr, value: Expr) -> None:
                    store(result, finish(value, [*index, row, column]), [*index, row, column])

                packed = scratch((gemm.panels, inner, gemm.width))
                if y_order[-1] == y.rank - 1:
                    repack(element, packed, inner, columns, gemm.width, machine.lanes)
                else:
                    repack_transposed(turned, packed, inner, columns, gemm.width, machine.lanes)
                gemm.write(read, packed, None, put)

        given = [
            (name, stored(shape, order), carrier(v.dtype))
            for name, v, shape, order in zip("xy", (x, y), shapes, orders, strict=True)
        ]
        return function(given, [*outer, sizes(rows), columns], body, tail, sizes)

    return Kernel(
        key=("batched_matmul", x.type, y.type, orders, machine),
        function=write,
        operands=tuple(map(Stored, orders)),
        result=row_major(len(batch) + 2),
        title=f"batched matmul {chosen.tile.rows}x{chosen.tile.vectors * machine.lanes}",
    )


def vector(buffer: Buffer, at: list[Expr], order: Perm, lanes: int) -> Expr:
    """Elements from a logical index on along its last axis, wherever that axis lies in memory."""
    if lanes > 1:
        at = [*at[:-1], ramp(at[-1], lanes)]
    return buffer[tuple(stored(at, order))]


def held_rows(value: Value) -> Perm:
    """The order that a transpose leaves its operand's memory in, if rows stay whole in it; else row-major."""
    order = held_any(value)
    return order if order[-1] == value.rank - 1 else row_major(value.rank)


def held_any(value: Value) -> Perm:
    """The order that a transpose leaves its operand's memory in: reading that costs no copy. Row-major for others.

    Either of the last two axes may be the innermost.
    """
    node = value.node
    if node is None or node.op.name != "transpose":
        return row_major(value.rank)
    perm: Perm = tuple(node.attrs["perm"])
    # Axis i of the value is axis perm[i] of the operand, whose axes are stored in order.
    order = tuple(perm.index(axis) for axis in range(value.rank))
    return order if order[-1] >= value.rank - 2 else row_major(value.rank)
