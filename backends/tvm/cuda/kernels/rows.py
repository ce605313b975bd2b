"""softmax and normalisations: a warp for each row, whose lanes take turns along it and add up by shuffles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from isthmus.backends.base import Refused
from isthmus.backends.tvm import carriers, maths
from isthmus.backends.tvm.api import ir_builder, script, tirx
from isthmus.backends.tvm.cuda.kernels.positions import (
    Size,
    ceil_div,
    grid,
    guarded,
    position_type,
    unravel,
    volume,
    within,
)
from isthmus.backends.tvm.kernels import (
    Buffer,
    Expr,
    Group,
    Kernel,
    Machine,
    Offer,
    PrimFunc,
    Sizes,
    Stored,
    Tail,
    declare,
)
from isthmus.backends.tvm.maths import const
from isthmus.ir.graph import Value

WARP = 32
WARPS = 4
"""Rows of a block."""

_ALL = 0xFFFFFFFF
"""Every lane takes part in a shuffle."""

Element = Callable[[Expr], Expr]
"""What is read at a position of the row."""

Row = Callable[["Warp", Element], Callable[[Expr, Expr, Sequence[Expr]], Expr]]
"""Goes over a row, and gives what makes a result of an element, its position, and the parameters there."""


def softmax(group: Group, machine: Machine) -> Offer:
    """softmax and log_softmax along the last axis."""
    [x] = group.anchor.inputs
    is_log = group.anchor.op.name == "log_softmax"
    if group.anchor.attrs["axis"] != x.rank - 1:
        return Refused("rows do not lie side by side")

    def row(warp: Warp, read: Element) -> Callable[[Expr, Expr, Sequence[Expr]], Expr]:
        top = warp.reduced(tirx.const(float("-inf"), "float32"), read, maths.maximum)
        total = warp.reduced(tirx.const(0, "float32"), lambda p: maths.exp(read(p) - top), _sum)
        scale = script.bind(maths.log(total) if is_log else const(1, total) / total)
        if is_log:
            return lambda value, at, given: value - top - scale
        return lambda value, at, given: maths.exp(value - top) * scale

    return _rows(group, x.rank - 1, (), row)


def norm(group: Group, machine: Machine) -> Offer:
    """layer_norm and rms_norm over the last axes."""
    x, *parameters = group.anchor.inputs
    axis, epsilon = group.anchor.attrs["axis"], group.anchor.attrs["epsilon"]
    if any(p.shape != x.shape[axis:] for p in parameters):
        return Refused("scale or bias broadcasts")
    has_scale = group.anchor.operands[1:2] != (None,) and len(group.anchor.operands) > 1
    is_centred = group.anchor.op.name == "layer_norm"

    def row(warp: Warp, read: Element) -> Callable[[Expr, Expr, Sequence[Expr]], Expr]:
        zero = tirx.const(0, "float32")
        count = _float(warp.extent)
        mean = script.bind(warp.reduced(zero, read, _sum) / count) if is_centred else zero

        def square(position: Expr) -> Expr:
            off = script.bind(read(position) - mean)
            return off * off

        power = script.bind(warp.reduced(zero, square, _sum) / count)
        factor = script.bind(const(1, power) / tirx.sqrt(power + const(epsilon, power)))

        def finished(value: Expr, at: Expr, given: Sequence[Expr]) -> Expr:
            rest = list(given)
            result = (value - mean) * factor
            if has_scale:
                result = result * rest.pop(0)
            return result + rest.pop(0) if rest else result

        return finished

    return _rows(group, axis, parameters, row)


class Warp:
    """The warp of one row being written."""

    def __init__(self, extent: Size, lane: Expr) -> None:
        self.extent = extent
        self._lane = lane

    def reduced(self, init: Expr, read: Element, combine: Callable[[Expr, Expr], Expr]) -> Expr:
        """A reduction over the row; every lane has it."""
        found = script.alloc_buffer((1,), "float32", scope="local")
        script.buffer_store(found, init, [0])
        self.each(lambda position: script.buffer_store(found, combine(found[0], read(position)), [0]))
        for step in (16, 8, 4, 2, 1):
            other = tirx.call_extern("float32", "__shfl_xor_sync", tirx.const(_ALL, "uint32"), found[0], step)
            script.buffer_store(found, combine(found[0], script.bind(other)), [0])
        return script.bind(found[0])

    def each(self, body: Callable[[Expr], object]) -> None:
        """`body` at the positions that are the lane's."""
        with script.serial(0, ceil_div(self.extent, WARP)) as turn:
            position = script.bind(turn * WARP + self._lane)
            with guarded(within(position, self.extent, WARP)):
                body(position)


def _rows(group: Group, axis: int, parameters: Sequence[Value], row: Row) -> Offer:
    x = group.anchor.inputs[0]
    if carriers.computed(x.dtype) != "float32":
        return Refused(f"rows of {x.dtype.name}")

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        builder = ir_builder.IRBuilder()
        with builder, script.prim_func(is_private=True, s_tir=True):
            script.func_name("kernel")
            values = (x, *parameters)
            given = [
                declare(f"x{i}", [sizes(d) for d in v.shape], carriers.carrier(v.dtype)) for i, v in enumerate(values)
            ]
            more = [declare(f"t{i}", [sizes(d) for d in s], dtype) for i, (s, dtype) in enumerate(tail.buffers)]
            for parameter in sizes.parameters:
                script.arg(parameter.name, parameter)
            made = declare("result", [sizes(d) for d in x.shape], tail.dtype)
            with script.sblock("root"):
                script.reads([])
                script.writes([])
                _write(given, values, made, [sizes(d) for d in x.shape], axis, row, lambda v, at: tail(v, at, more))
        return builder.get()

    perm = tuple(range(x.rank))
    operands = tuple(Stored(tuple(range(v.rank))) for v in group.anchor.inputs)
    name, attrs = group.anchor.op.name, tuple(group.anchor.attrs.items())
    present = tuple(None if v is None else v.type for v in group.anchor.operands)
    return Kernel((name, "cuda", present, attrs), write, operands, perm, f"warp {name}")


def _write(
    given: Sequence[Buffer],
    values: Sequence[Value],
    made: Buffer,
    shape: Sequence[Size],
    axis: int,
    row: Row,
    finish: Callable[[Expr, Sequence[Expr]], Any],
) -> None:
    lead, inner = shape[:axis], shape[axis:]
    rows, extent = volume(lead), volume(inner)
    with grid(ceil_div(rows, WARPS), WARPS * WARP, position_type([shape])) as (block, thread):
        number = script.bind(block * WARPS + tirx.truncdiv(thread, WARP))
        lane = script.bind(tirx.truncmod(thread, WARP))
        with guarded(within(number, rows, WARPS)):
            place = unravel(number, lead)

            def read(position: Expr) -> Expr:
                return script.bind(carriers.widen(given[0][(*place, *unravel(position, inner))], values[0].dtype))

            warp = Warp(extent, lane)
            made_of = row(warp, read)

            def put(position: Expr) -> None:
                own = unravel(position, inner)
                at = [*place, *own]
                extra = [carriers.widen(b[tuple(own)], v.dtype) for b, v in zip(given[1:], values[1:], strict=True)]
                value = script.bind(made_of(read(position), position, extra))
                script.buffer_store(made, finish(value, at), at)

            warp.each(put)


def _float(size: Size) -> Expr:
    return tirx.const(size, "float32") if isinstance(size, int) else size.astype("float32")


def _sum(x: Expr, y: Expr) -> Expr:
    return x + y
