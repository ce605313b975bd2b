"""What loops read and where they write, to see which may run at the same time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from isthmus.backends.tvm.api import ffi, ir, kind, sym, tirx
from isthmus.backends.tvm.cuda.statements import Stmt

Box: TypeAlias = tuple[tuple[int, int], ...]
"""The least and the largest index that is written along each axis."""


@dataclass(eq=False)
class Effects:
    """Of one loop. Memory that it allocates is its own and does not count."""

    loads: set[Any] = field(default_factory=set)
    stores: dict[Any, list[Box]] = field(default_factory=dict)
    is_known: bool = True
    """Whether all statements in it are of a kind that is looked through."""

    def interferes(self, other: Effects) -> bool:
        """Whether the order in which the two run may matter: one may touch what the other writes."""
        if not (self.is_known and other.is_known):
            return True
        if self.loads & other.stores.keys() or other.loads & self.stores.keys():
            return True
        shared = self.stores.keys() & other.stores.keys()
        return not all(_apart(a, b) for buffer in shared for a in self.stores[buffer] for b in other.stores[buffer])


def effects(loop: Stmt) -> Effects:
    """What a loop reads and writes."""
    found, own = Effects(), set[Any]()
    _look(found, own, loop, sym.Analyzer())
    ffi.structural_walk(loop, (ir.TensorLoad, lambda load: found.loads.add(load.source)))
    found.loads -= own
    for buffer in own & found.stores.keys():
        del found.stores[buffer]
    return found


def _look(found: Effects, own: set[Any], stmt: Stmt, known: Any) -> None:
    """Collects stores. `known` is the engine's analyzer, told what every variable may be."""
    match stmt:
        case tirx.SeqStmt():
            for each in stmt.seq:
                _look(found, own, each, known)
        case tirx.AllocBuffer():
            own.add(stmt.buffer)
        case tirx.Bind():
            if kind(stmt.var).startswith("int"):
                known.bind(stmt.var, stmt.value)
        case tirx.BufferStore():
            bounds = [known.const_int_bound(index) for index in stmt.indices]
            found.stores.setdefault(stmt.buffer, []).append(tuple((b.min_value, b.max_value) for b in bounds))
        case tirx.IfThenElse():
            for case in (stmt.then_case, stmt.else_case):
                if case is not None:
                    _look(found, own, case, known)
        case tirx.For():
            known.bind(stmt.loop_var, ir.Range.from_min_extent(stmt.min, stmt.extent))
            _look(found, own, stmt.body, known)
        case _:
            found.is_known = False


def _apart(a: Box, b: Box) -> bool:
    """Whether two boxes have no element in common."""
    return any(high < low or top < bottom for (bottom, high), (low, top) in zip(a, b, strict=True))
