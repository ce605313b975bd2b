"""What the CPU plugin cannot be trusted with, whatever the op, and where its numbers are known to differ.

Found by comparing single ops with the evaluator (OpenVINO 2026.4, CPU): the plugin carries i64 in i32, u32 and u64
in i32, f64 in f32, and f16 and bf16 in f32 where the processor has no arithmetic in them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from isthmus.backends.openvino import device
from isthmus.ir.graph import Node
from isthmus.ir.types import DType

_TYPES: Mapping[str, str] = {
    "f64": "the engine computes f64 in f32",
    "u64": "the engine computes u64 in i32, where values of 2^31 and more change sign",
    "u32": "the engine computes u32 in i32, where values of 2^31 and more change sign",
    "i4": "4-bit values are not written for the engine",
    "u4": "4-bit values are not written for the engine",
    "f8e4m3": "8-bit floats are not written for the engine",
    "f8e5m2": "8-bit floats are not written for the engine",
}

MOVES_ONLY = frozenset(
    (
        *("const", "full", "cast", "where", "shape_of", "reshape", "dynamic_reshape", "expand", "dynamic_expand"),
        *("transpose", "concat", "split", "slice", "reverse", "dynamic_slice", "pad", "dynamic_pad"),
        *("tile", "dynamic_tile", "gather", "gather_elements", "gather_nd", "depth_to_space", "space_to_depth"),
        *("if", "loop", "scan"),
    )
)
"""Ops that compute nothing, so that a value's type is only how it is stored."""

_NAN_TO_NUMBER = "NaN becomes a number: the engine's fused kernel compares with it"
_NAN_LOSES = "NaN loses against numbers"
_ORDERING = ("reduce_max", "reduce_min", "argmax", "argmin", "topk", "softmax", "log_softmax")
_POOLED = f"{_NAN_LOSES}, and a window of minus infinities gives the least finite number"

DEVIATIONS: Mapping[str, str] = {
    "i64": "is computed in i32: values beyond 32 bits wrap around",
    "relu": _NAN_TO_NUMBER,
    "clip": _NAN_TO_NUMBER,
    "hard_sigmoid": _NAN_TO_NUMBER,
    "hard_swish": _NAN_TO_NUMBER,
    **dict.fromkeys(_ORDERING, _NAN_LOSES),
    "max_pool": _POOLED,
    "max_pool_with_indices": f"{_POOLED}, found at the first place of its plane",
    "gelu": "an infinity becomes NaN",
    "batch_norm": "an infinity becomes NaN between bf16 edges",
    "div": "a denormal divisor counts as zero",
    "mod": "is inexact where the quotient of floats is large, and NaN for infinite divisors",
    "fmod": "is inexact where the quotient of floats is large, and NaN for infinite divisors",
    "cast": "floats beyond 32 bits become the least i32 when cast to i64",
}
"""Element type or op -> where results differ from the meaning, and putting them right would cost the kernels
users come for."""


def refusal(node: Node) -> str | None:
    """Why no node of these types can be run, or None."""
    values = (*node.inputs, *node.results)
    for value in values:
        if value.dtype.name in _TYPES:
            return _TYPES[value.dtype.name]
    low = next((v.dtype for v in values if _is_half(v.dtype)), None)
    if low is not None and node.op.name not in MOVES_ONLY and not device.computes(low.name):
        return f"the engine computes {low} in f32 on this processor"
    return _constant_refusal(node)


def _constant_refusal(node: Node) -> str | None:
    if node.op.name != "const" or node.results[0].dtype.name != "i64":
        return None
    array = node.attrs["data"].array
    info = np.iinfo(np.int32)
    if array.size and (array.min() < info.min or array.max() > info.max):
        return "the engine carries i64 in i32, which does not hold all elements"
    return None


def _is_half(dtype: DType) -> bool:
    return dtype.is_float and dtype.bits == 16
