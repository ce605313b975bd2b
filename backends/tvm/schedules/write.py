"""What every kernel is written with: the function's frame, vectors in memory and in registers, loops over threads.

A kernel's body is Python that runs once and writes TIR as it goes: a Python loop is unrolled code, a `tir.serial` loop
is a loop. `tir.bind` names a value so that it is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from isthmus.backends.tvm.kernels import Buffer, Expr, PrimFunc, Sizes, Tail, declare
from isthmus.ir.types import DType
from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

Finish = Callable[[Expr, Sequence[Expr]], Expr]
"""What is stored for the anchor's element (scalar, f32) at a logical index."""

Parameter = tuple[str, Sequence[int | Expr], str]
"""A buffer parameter: name, shape and element type."""

Body = Callable[[Sequence[Buffer], Buffer, Finish], None]
"""Writes the kernel: the anchor's operands, the result, and what finishes each element."""


def function(
    operands: Sequence[Parameter], result: Sequence[int | Expr], body: Body, tail: Tail, sizes: Sizes
) -> PrimFunc:
    """A kernel with parameters as `isthmus.backends.tvm.kernels` orders them; `result` is the stored result's shape.

    The body stands in one root block: without one, passes over Relax take the function for lowered code.
    """
    with IRBuilder() as written, tir.prim_func(is_private=True, s_tir=True):
        tir.func_attr({"tirx.noalias": True})
        given = [declare(*parameter) for parameter in operands]
        more = [declare(f"t{i}", [sizes(d) for d in shape], dtype) for i, (shape, dtype) in enumerate(tail.buffers)]
        for i, parameter in enumerate(sizes.parameters):
            tir.arg(f"n{i}", parameter)
        made = declare("result", result, tail.dtype)
        with tir.sblock("root"):
            body(given, made, lambda value, at: tail(value, at, more))
    return written.get()


def ramp(start: Expr | int, lanes: int) -> Expr:
    """`lanes` indices from `start` on.

    Of 64 bits, as sizes known at run time only are: a ramp that is cast is none to the code generator.
    """
    return tir.ramp(wide(start), 1, lanes) if lanes > 1 else start


def wide(index: Expr | int) -> Expr:
    """An index of 64 bits."""
    return tir.int64(index) if isinstance(index, int) else index.astype("int64")


def each_lane(count: int) -> Any:
    """A vectorized loop over so many lanes, whose variable is of 64 bits for the reason `ramp` gives."""
    return tir.vectorized(tir.int64(0), tir.int64(count))


def widened(stored: Expr, dtype: DType) -> Expr:
    """Stored elements, any number of lanes, in f32; f32 stays what it is."""
    lanes = str(stored.ty.dtype).partition("x")[2]
    many = f"x{lanes}" if lanes else ""
    if dtype.name == "bf16":
        bits = tirx.Cast(f"uint32{many}", stored) << tirx.const(16, f"uint32{many}")
        return tir.reinterpret(f"float32{many}", bits)
    return stored if dtype.name == "f32" else tirx.Cast(f"float32{many}", stored)


def splat(value: Expr | float, lanes: int) -> Expr:
    """A scalar in every lane."""
    scalar = tir.float32(value) if isinstance(value, int | float) else value
    return tir.broadcast(scalar, lanes) if lanes > 1 else scalar


def load(buffer: Buffer, index: Sequence[Expr | int], lanes: int = 1) -> Expr:
    """`lanes` consecutive elements of the last axis from `index` on."""
    *outer, last = index
    return buffer[(*outer, ramp(last, lanes))]


def store(buffer: Buffer, value: Expr, index: Sequence[Expr | int], lanes: int = 1) -> None:
    """Put `lanes` elements where `load` takes them from."""
    *outer, last = index
    tir.buffer_store(buffer, value, [*outer, ramp(last, lanes)])


def fma(a: Expr, b: Expr, c: Expr) -> Expr:
    """a * b + c, rounded once where the processor can and twice where it cannot."""
    return tir.fma(a, b, c)  # becomes llvm.fmuladd; the intrinsic itself would keep loops from being vectorized


def prefetch(buffer: Buffer, index: Sequence[Expr | int]) -> None:
    """Ask for the cache line of an element in all levels; the element need not exist."""
    read, all_levels, data = (tir.int32(number) for number in (0, 3, 1))
    tir.evaluate(
        tir.call_llvm_intrin("void", "llvm.prefetch", tir.address_of(buffer[tuple(index)]), read, all_levels, data)
    )


def registers(lanes: int) -> Buffer:
    """Memory that LLVM keeps in vector registers: below 1 KiB and of global scope it is a slot of the stack.

    More, or any other scope, becomes a call that allocates.
    """
    return tir.alloc_buffer((lanes,), "float32", scope="global")


def scratch(shape: Sequence[int | Expr], dtype: str = "float32") -> Buffer:
    """Memory from the thread's pool for the rest of the enclosing loop body: allocate once a task, never in a tile."""
    return tir.alloc_buffer(tuple(shape), dtype, scope="global")


PARALLEL_FROM = 16384
"""Elements of work, roughly, from which waking the other threads (1.5 us) pays."""


def tasks(count: int | Expr, threads: int, work: int | Expr = PARALLEL_FROM) -> Any:
    """A loop whose iterations are split evenly and in order over the threads; a plain loop where that does not pay."""
    alone = threads == 1 or (isinstance(count, int) and count == 1) or (isinstance(work, int) and work < PARALLEL_FROM)
    return tir.serial(0, count) if alone else tir.parallel(0, count)


def lowest(a: Expr | int, b: Expr | int) -> Expr | int:
    """The lesser of two indices, worked out now where both are numbers."""
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else tir.min(a, b)


def edged(position: Expr, size: int, step: int, write: Callable[[int], None]) -> None:
    """Write the code at a position counted in steps over a size: `write(step)`, or what is left for the last."""
    whole, rest = divmod(size, step)
    if not rest:
        write(step)
    elif not whole:
        write(rest)
    else:
        with tir.If(position < whole):
            with tir.Then():
                write(step)
            with tir.Else():
                write(rest)


def ceil(size: int | Expr, step: int | Expr) -> int | Expr:
    """size / step rounded up; neither is negative."""
    if isinstance(size, int) and isinstance(step, int):
        return -(-size // step)
    return tir.truncdiv(size + (step - 1), step)


def total(parts: Sequence[Buffer], combine: Callable[[Expr, Expr], Expr], lanes: int) -> Expr:
    """One scalar from vectors in `registers`: they are combined, then halves of the lanes that are left."""
    first, *others = parts
    for each in others:
        store(first, combine(load(first, [0], lanes), load(each, [0], lanes)), [0], lanes)
    half = lanes // 2
    while half:
        store(first, combine(load(first, [0], half), load(first, [half], half)), [0], half)
        half //= 2
    return tir.bind(first[0])
