"""Vectors in memory as the code generator knows them.

Flattening a buffer adds a vector of zeros to a one-dimensional index. The code generator takes only a bare ramp for
neighbouring elements; anything else is loaded and stored one element at a time, which LLVM rarely puts together again.
"""

from __future__ import annotations

from typing import Any

from isthmus.backends.tvm.api import ffi, tirx


def bare_ramps(function: Any) -> Any:
    """A flattened kernel whose vector indices are ramps."""
    return function.with_body(ffi.structural_map(function.body, (tirx.Add, _without_zeros)))


def _without_zeros(total: Any) -> Any:
    zeros, ramp = total.a, total.b
    is_zero = isinstance(zeros, tirx.Broadcast) and isinstance(zeros.value, tirx.IntImm) and zeros.value.value == 0
    return ramp if is_zero and isinstance(ramp, tirx.Ramp) else total
