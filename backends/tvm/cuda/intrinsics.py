"""Operations that the engine writes for LLVM but not for CUDA, by the names CUDA has for them."""

from __future__ import annotations

from typing import Any

from isthmus.backends.tvm.api import ffi, ir, kind, tirx
from isthmus.backends.tvm.cuda.statements import PrimFunc

_FMA = {"float32": "fmaf", "float64": "fma", "float16": "__hfma"}


def for_cuda(function: PrimFunc) -> PrimFunc:
    """The kernel with such operations as calls of CUDA's functions."""
    fma = ir.Op.get("tirx.fma")

    def called(call: Any) -> Any:
        if not call.op.same_as(fma):
            return call
        return tirx.call_pure_extern(kind(call), _FMA[kind(call)], *call.args)

    return function.with_body(ffi.structural_map(function.body, (ir.Call, called)))
