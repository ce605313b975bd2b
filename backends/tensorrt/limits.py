"""What TensorRT cannot be given, whatever the op, and where its numbers are known to differ.

From NVIDIA's documentation of layers, and from what the builder of TensorRT-RTX 1.7 accepts.
"""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.backends.tensorrt.tensors import NAMES
from isthmus.ir.graph import Node

MAX_RANK = 8
"""`Dims::MAX_DIMS`."""

_QUANTIZED_ONLY = frozenset(("const", "quantize", "dequantize", "reshape", "transpose", "if", "loop", "scan"))
"""Ops that 8-bit floats may take part in: the engine scales them, and moves them about."""

_NAN_LOSES = "the engine does not say whether NaN propagates: it may count as less than any number"
_TIES = "of equal elements, the engine does not say which comes first"

DEVIATIONS: Mapping[str, str] = {
    **dict.fromkeys(("relu", "clip", "hard_sigmoid"), "NaN may become a bound: the engine does not say"),
    **dict.fromkeys(("reduce_max", "reduce_min"), _NAN_LOSES),
    **dict.fromkeys(("argmax", "argmin"), "NaN and the infinity that wins count as equal"),
    "max_pool": _NAN_LOSES,
    **dict.fromkeys(
        ("scatter_elements", "scatter_nd"), "of updates that meet in one element, the engine does not say which stays"
    ),
    **dict.fromkeys(
        ("gather", "gather_elements", "gather_nd"), "an index beyond the axis reads 0 instead of being an error"
    ),
    "non_max_suppression": "of boxes with equal scores, the engine does not say which comes first",
    "topk": f"{_TIES}, and where NaN goes",
    "mod": "is inexact where the quotient of floats is large, and NaN for infinite divisors",
    "fmod": "is inexact where the quotient of floats is large, and NaN for infinite divisors",
    "cast": "integers beyond 32 bits have no documented i32",
}
"""Element type or op -> where results differ from the meaning, and putting them right would cost the kernels
users come for."""


def refusal(node: Node) -> str | None:
    """Why no node of these types can be written, or None."""
    for value in (*node.inputs, *node.results):
        if value.dtype.name not in NAMES:
            return f"the engine has no {value.dtype}"
        if value.dtype.name == "f8e4m3" and node.op.name not in _QUANTIZED_ONLY:
            return "the engine has 8-bit floats as quantized numbers only: between quantize and dequantize"
        if value.rank > MAX_RANK:
            return f"the engine takes {MAX_RANK} axes at most, and {value.type} has {value.rank}"
    return None
