"""Statements of TIR, looked at and put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from isthmus.backends.tvm.api import ffi, ir, tirx

Stmt: TypeAlias = Any
Expr: TypeAlias = Any
PrimFunc: TypeAlias = Any


def flat(stmt: Stmt) -> list[Stmt]:
    """The statements that a statement is a sequence of."""
    if not isinstance(stmt, tirx.SeqStmt):
        return [stmt]
    return [each for part in stmt.seq for each in flat(part)]


def sequence(stmts: Sequence[Stmt]) -> Stmt:
    """Statements one after another."""
    parts = [each for stmt in stmts for each in flat(stmt)]
    return parts[0] if len(parts) == 1 else tirx.SeqStmt(parts)


def loads(expression: Expr) -> bool:
    """Whether an expression reads memory."""
    found = False

    def seen(_: Any) -> None:
        nonlocal found
        found = True

    ffi.structural_walk(expression, (ir.TensorLoad, seen))
    return found


def substituted(stmt: Stmt, places: Mapping[Any, Expr]) -> Stmt:
    """A statement with variables replaced; variables defined within become new ones."""
    return ffi.structural_map(stmt, (tirx.Var, lambda var: places.get(var, var)))
