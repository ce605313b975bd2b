"""Loops whose vectors become threads: each lane keeps to scratch memory of its own.

A vector of `width` lanes touches element `lane + c` of scratch memory, c a multiple of the width. So what a lane needs
is one element for each c, and no lane ever reads what another wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from isthmus.backends.tvm.api import ffi, ir, tirx
from isthmus.backends.tvm.cuda.statements import Expr, Stmt, flat, sequence, substituted

LARGEST = 32
"""Lanes of a warp: longer vectors stay loops."""


@dataclass(eq=False)
class Lanes:
    """A body that is looked through: its vectors, its scratch memory, and whether lanes keep apart."""

    scratch: dict[Any, Any] = field(default_factory=dict)
    """Buffer -> the part of it that belongs to one lane."""
    vectors: dict[Any, int] = field(default_factory=dict)
    """Loop variable -> width."""
    is_apart: bool = True

    @property
    def width(self) -> int:
        """How many threads a turn takes."""
        return max(self.vectors.values(), default=1)


def on_lanes(body: Stmt, lane: Expr) -> tuple[Stmt, int] | None:
    """What the thread of one lane does of a body, and how many lanes there are. None where lanes are no threads."""
    found = Lanes()
    _look(found, body, None)
    if not found.is_apart or not 1 < found.width <= LARGEST:
        return None
    if not _keeps_apart(found, body):
        return None
    for buffer in found.scratch:
        size = -(-int(buffer.shape[0]) // found.width)
        found.scratch[buffer] = tirx.decl_buffer((size,), buffer.dtype, "own", scope="local")
    taken = substituted(_taken(found, body, lane), dict.fromkeys(found.vectors, lane))
    return _relocated(found, taken, lane), found.width


def _look(found: Lanes, stmt: Stmt, lane: Any) -> None:
    """Collects, and refuses stores that every lane would make."""
    match stmt:
        case tirx.SeqStmt():
            for each in stmt.seq:
                _look(found, each, lane)
        case tirx.AllocBuffer():
            found.scratch[stmt.buffer] = None
            found.is_apart &= lane is None and len(stmt.buffer.shape) == 1
        case tirx.Bind():
            pass
        case tirx.BufferStore():
            found.is_apart &= lane is not None
        case tirx.IfThenElse():
            for case in (stmt.then_case, stmt.else_case):
                if case is not None:
                    _look(found, case, lane)
        case tirx.For() if int(stmt.kind) == tirx.ForKind.VECTORIZED:
            found.is_apart &= lane is None
            found.vectors[stmt.loop_var] = int(stmt.extent)
            _look(found, stmt.body, stmt.loop_var)
        case tirx.For():
            _look(found, stmt.body, lane)
        case _:
            found.is_apart = False


def _keeps_apart(found: Lanes, body: Stmt) -> bool:
    """Whether all scratch memory is touched at the own lane."""
    apart = True

    def touched(buffer: Any, node: Any) -> None:
        nonlocal apart
        if buffer in found.scratch:
            apart &= _step(node.indices[0], found.vectors, found.width) is not None

    loaded, stored = (lambda x: touched(x.source, x)), (lambda x: touched(x.buffer, x))
    ffi.structural_walk(body, [(ir.TensorLoad, loaded), (tirx.BufferStore, stored)])
    return apart


def _step(index: Expr, lanes: Any, width: int) -> int | None:
    """c / width for an index `lane + c`; None for any other."""
    if index in lanes:
        return 0
    if not isinstance(index, tirx.Add) or index.a not in lanes or not isinstance(index.b, tirx.IntImm):
        return None
    step, rest = divmod(int(index.b.value), width)
    return step if rest == 0 else None


def _taken(found: Lanes, stmt: Stmt, lane: Expr) -> Stmt:
    """Vectors replaced by what one lane does."""
    match stmt:
        case tirx.SeqStmt():
            return sequence([_taken(found, each, lane) for each in flat(stmt)])
        case tirx.IfThenElse():
            other = None if stmt.else_case is None else _taken(found, stmt.else_case, lane)
            return tirx.IfThenElse(stmt.condition, _taken(found, stmt.then_case, lane), other)
        case tirx.For() if int(stmt.kind) == tirx.ForKind.VECTORIZED:
            if int(stmt.extent) == found.width:
                return stmt.body
            return tirx.IfThenElse(lane < stmt.extent, stmt.body, None)
        case tirx.For():
            return tirx.For(stmt.loop_var, stmt.min, stmt.extent, stmt.kind, _taken(found, stmt.body, lane))
    return stmt


def _relocated(found: Lanes, stmt: Stmt, lane: Expr) -> Stmt:
    """Scratch memory replaced by the lane's part of it."""

    def place(node: Any) -> list[Any]:
        step = _step(node.indices[0], (lane,), found.width)
        assert step is not None, "the lane's own elements are all that is touched"
        return [tirx.const(step, "int64")]

    def load(node: Any) -> Any:
        own = found.scratch.get(node.source)
        return node if own is None else tirx.BufferLoad(own, place(node))

    def store(node: Any) -> Any:
        own = found.scratch.get(node.buffer)
        return node if own is None else tirx.BufferStore(own, node.value, place(node))

    def allocated(node: Any) -> Any:
        own = found.scratch.get(node.buffer)
        return node if own is None else tirx.AllocBuffer(own)

    return ffi.structural_map(stmt, [(ir.TensorLoad, load), (tirx.BufferStore, store), (tirx.AllocBuffer, allocated)])
