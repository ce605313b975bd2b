"""A value as the engine's analysis does not see through it.

The engine substitutes every variable by what it is bound to, again and again: chains of formulas take seconds, and
minutes where casts are among them. What may depend on memory its passes let be; `fence` says so of any float. What
generates code looks again, so `through_memory` ends the passes: each value goes through memory that LLVM keeps in
registers. On other devices a fence vanishes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from isthmus.backends.tvm.api import ffi, ir, kind, tirx

NAME = "tirx.isthmus_fence"
_READS_MEMORY = 2
"""The engine's number for an expression that depends on memory."""


@cache
def register() -> None:
    """Make the op known to the engine; once for the process, in each that compiles."""
    ir.register_op_attr(NAME, "TCallEffectKind", _READS_MEMORY)
    ir.register_op_attr(NAME, "TVectorizable", True)
    ir.register_op_attr(NAME, "TScriptPrinterName", NAME)
    ir.register_op_attr(NAME, "cuda.FLowerIntrinsic", lambda call: call.args[0])


def fence(x: Any) -> Any:
    """The same float. To be bound to a variable."""
    return tirx.call_intrin(kind(x), NAME, x)


def through_memory(function: Any) -> Any:
    """A lowered kernel whose variables of fenced values are loaded from memory of their own."""
    op = ir.Op.get(NAME)

    def kept(bind: Any) -> Any:
        value = bind.value
        if not isinstance(value, ir.Call) or not value.op.same_as(op):
            return bind
        scalar, _, lanes = kind(value).partition("x")
        width = int(lanes or 1)
        buffer = tirx.decl_buffer((width,), scalar, "kept")
        place = tirx.Ramp(0, 1, width) if lanes else tirx.const(0, "int32")
        stored = tirx.BufferStore(buffer, value.args[0], [place])
        return tirx.SeqStmt([tirx.AllocBuffer(buffer), stored, tirx.Bind(bind.var, tirx.BufferLoad(buffer, [place]))])

    return function.with_body(ffi.structural_map(function.body, (tirx.Bind, kept)))
