"""`linear`, and `matmul` with a constant matrix: leading dimensions are rows of one matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from isthmus.backends.base import Refused
from isthmus.backends.tvm.carriers import carrier, computed
from isthmus.backends.tvm.kernels import (
    Buffer,
    Expr,
    Group,
    Kernel,
    Machine,
    Offer,
    Packed,
    PrimFunc,
    Sizes,
    Stored,
    Tail,
)
from isthmus.backends.tvm.orders import row_major
from isthmus.backends.tvm.schedules import packing
from isthmus.backends.tvm.schedules.arithmetic import Arithmetic, arithmetic
from isthmus.backends.tvm.schedules.gemm import Gemm
from isthmus.backends.tvm.schedules.indexing import product, unravel, view
from isthmus.backends.tvm.schedules.tiles import plan
from isthmus.backends.tvm.schedules.write import Finish, function, load, store
from isthmus.ir.types import Array


def linear(group: Group, machine: Machine) -> Offer:
    """x [..., K] @ constant weight [K, N], plus a constant bias [N]."""
    x, weight, *rest = group.anchor.inputs
    bias = rest[0] if rest else None
    dtype = carrier(x.dtype)
    if computed(x.dtype) != "float32":
        return Refused(f"matrices of {x.dtype.name}")
    if (refused := constant_matrix(group)) is not None:
        return refused
    inner, columns = weight.shape
    assert isinstance(inner, int)
    assert isinstance(columns, int)
    rows = x.type.with_shape(x.shape[:-1]).numel()
    how = arithmetic(x.dtype, inner, machine)
    chosen = plan(machine, rows if isinstance(rows, int) else None, columns, inner // how.depth)
    width = chosen.tile.vectors * machine.lanes
    packed = [Packed(partial(_panels, width=width, how=how))]
    if bias is not None:
        packed.append(Packed(partial(packing.padded, width=width)))

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        outer = [sizes(d) for d in x.shape[:-1]]
        gemm = Gemm(product(outer), inner // how.depth, columns, chosen, machine, how)

        def body(operands: Sequence[Buffer], result: Buffer, finish: Finish) -> None:
            flat, a = view(result, (gemm.rows, columns)), view(operands[0], (gemm.rows, inner))

            def read(row: Expr, k: Expr, lanes: int) -> Expr:
                return how.lanes_of(load(a, [row, k * how.depth], lanes * how.depth), x.dtype)

            def put(row: Expr, column: Expr, value: Expr) -> None:
                store(flat, finish(value, [*unravel(row, outer), column]), [row, column])

            with how.declared():
                gemm.write(read, operands[1], operands[2] if bias is not None else None, put)

        shapes = [("x", [*outer, inner], dtype), ("weight", [gemm.panels, gemm.inner, width], how.operand)]
        if bias is not None:
            shapes.append(("bias", [gemm.panels * width], "float32"))
        return function(shapes, [*outer, columns], body, tail, sizes)

    tile = chosen.tile
    return Kernel(
        key=("linear", x.type, inner, columns, bias is None, machine),
        function=write,
        operands=(Stored(row_major(x.rank)), *packed),
        result=row_major(x.rank),
        title=f"matmul{how.label} {tile.rows}x{width}",
        attributes={"cycles": chosen.cost},
    )


def constant_matrix(group: Group) -> Refused | None:
    """Why the second operand and what follows cannot be packed, if they cannot."""
    _, weight, *rest = group.anchor.inputs
    if weight.constant is None or weight.rank != 2 or not weight.type.is_static:
        return Refused("the weight is not a constant matrix")
    if rest and rest[0].constant is None:
        return Refused("the bias is not constant")
    return None


def _panels(weight: Array, width: int, how: Arithmetic) -> Array:
    panels = packing.panels(weight, width)
    return packing.pairs(panels) if how.depth == 2 else panels
