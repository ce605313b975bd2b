"""Kernels written as plain loops, spread over the threads of a GPU.

The default kernels say what may run side by side: parallel loops, and serial ones marked `INDEPENDENT`. Each such loop
at the top of a function becomes a grid. Where its vectors only touch memory of their own lane, each lane is a thread,
so that neighbouring threads read neighbouring elements; else each turn of the loop is one. What stands between such
loops runs in a grid of one thread, as its order matters. Grids of one function are launched one after another, but
loops of which none touches what another writes share one: the operands of a concatenation are copied by one launch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.backends.tvm.api import ffi, ir, tirx
from isthmus.backends.tvm.cuda.effects import Effects, effects
from isthmus.backends.tvm.cuda.lanes import on_lanes
from isthmus.backends.tvm.cuda.statements import Expr, PrimFunc, Stmt, flat, loads, sequence, substituted
from isthmus.backends.tvm.schedule_default import INDEPENDENT

THREADS = 256
"""Threads of a block: enough to hide memory's latency on every architecture, in warps of 32."""


def is_spread(function: PrimFunc) -> bool:
    """Whether all that a function stores is stored by threads of the GPU."""
    outside = 0

    def visit(stmt: Stmt, inside: bool) -> None:
        nonlocal outside
        match stmt:
            case tirx.BufferStore():
                outside += not inside
            case tirx.For():
                visit(stmt.body, inside or int(stmt.kind) == tirx.ForKind.THREAD_BINDING)
            case tirx.AttrStmt():
                visit(stmt.body, inside or stmt.attr_key == "thread_extent")
            case tirx.IfThenElse():
                for case in (stmt.then_case, stmt.else_case):
                    if case is not None:
                        visit(case, inside)
            case tirx.SeqStmt():
                for each in stmt.seq:
                    visit(each, inside)
            case _ if hasattr(stmt, "block"):
                visit(stmt.block.body, inside)
            case _ if hasattr(stmt, "body"):
                visit(stmt.body, inside)

    visit(function.body, False)
    return not outside


def spread(function: PrimFunc) -> PrimFunc:
    """The same kernel on threads. `function` is a default kernel: statements within one root block."""
    realize = function.body
    root = realize.block
    grids: list[Stmt] = []
    ordered: list[Stmt] = []
    together: list[tuple[Part, Effects]] = []

    def flush() -> None:
        if ordered:
            grids.append(_grid([Part(sequence(ordered), tirx.const(1, "int64"), _position())], 1))
        if together:
            grids.append(_grid([part for part, _ in together], THREADS))
        ordered.clear()
        together.clear()

    for each in flat(root.body):
        if isinstance(each, tirx.Bind) and not ordered and not loads(each.value):
            grids.append(each)  # a size: the host computes it
        elif isinstance(each, tirx.For) and is_independent(each):
            own = effects(each)
            if ordered or any(own.interferes(other) for _, other in together):
                flush()
            together.append((_part(each), own))
        else:
            if together:
                flush()
            ordered.append(each)
    flush()
    block = type(root)([], [], [], root.name_hint, sequence(grids), None, list(root.alloc_buffers), [], {})
    return function.with_body(type(realize)(realize.iter_values, realize.predicate, block))


def is_independent(loop: Any) -> bool:
    """Whether the turns of a loop may run in any order."""
    return int(loop.kind) == tirx.ForKind.PARALLEL or INDEPENDENT in loop.annotations


@dataclass(frozen=True)
class Part:
    """What some threads of a grid do."""

    body: Stmt
    count: Expr
    """How many threads, int64."""
    position: Any
    """The variable for which of them runs `body`."""


def _part(loop: Any) -> Part:
    thread, lane = _position(), tirx.Var("lane", "int64")
    found = on_lanes(loop.body, lane)
    if found is None:
        return Part(substituted(loop.body, {loop.loop_var: thread}), loop.extent, thread)
    body, width = found
    lanes = tirx.const(width, "int64")
    bind = tirx.Bind(lane, tirx.truncmod(thread, lanes))
    turned = substituted(body, {loop.loop_var: tirx.truncdiv(thread, lanes)})
    return Part(sequence([bind, turned]), loop.extent * lanes, thread)


def _position() -> Any:
    return tirx.Var("thread", "int64")


def _grid(parts: Sequence[Part], threads: int) -> Stmt:
    """Each part in as many threads as it takes, one part's threads after another's, in blocks of `threads`."""
    size = tirx.const(threads, "int64")
    one = tirx.const(1, "int64")
    block, own, number = tirx.Var("block", "int64"), tirx.Var("own", "int64"), _position()
    steps = [tirx.Bind(number, block * size + own)]
    end: Expr = tirx.const(0, "int64")
    for i, part in enumerate(parts):
        start, end = end, end + part.count
        is_its_own = tirx.all(number >= start, number < end) if i else number < end
        steps += [tirx.Bind(part.position, number - start), tirx.IfThenElse(is_its_own, _private(part.body), None)]
    # a launch of no blocks is an error, so that empty tensors take one that does nothing
    blocks = tirx.max(tirx.floordiv(end + size - one, size), one)
    return _bound("blockIdx.x", block, blocks, _bound("threadIdx.x", own, size, sequence(steps)))


def _bound(thread: str, var: Any, extent: Expr, body: Stmt) -> Stmt:
    axis = tirx.IterVar(None, tirx.Var(thread, "int64"), tirx.IterVar.ThreadIndex, thread)
    return tirx.For(var, tirx.const(0, "int64"), extent, tirx.ForKind.THREAD_BINDING, body, axis)


def _private(body: Stmt) -> Stmt:
    """Loops run within one thread; memory that is allocated is the thread's own."""
    own: dict[Any, Any] = {}

    def buffer_of(buffer: Any) -> Any:
        return own.get(buffer, buffer)

    def allocated(stmt: Any) -> Any:
        made = tirx.decl_buffer(stmt.buffer.shape, stmt.buffer.dtype, stmt.buffer.name, scope="local")
        own[stmt.buffer] = made
        return tirx.AllocBuffer(made)

    def loop(stmt: Any) -> Any:
        if int(stmt.kind) in (tirx.ForKind.VECTORIZED, tirx.ForKind.PARALLEL):
            return tirx.For(stmt.loop_var, stmt.min, stmt.extent, tirx.ForKind.SERIAL, stmt.body)
        return stmt

    kept = ffi.structural_map(body, [(tirx.AllocBuffer, allocated), (tirx.For, loop)])
    return ffi.structural_map(
        kept,
        [
            (ir.TensorLoad, lambda x: tirx.BufferLoad(buffer_of(x.source), x.indices)),
            (tirx.BufferStore, lambda x: tirx.BufferStore(buffer_of(x.buffer), x.value, x.indices)),
        ],
    )
