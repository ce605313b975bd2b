"""What this backend does not compute, whatever the op, and where its numbers are known to differ."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.backends.tvm.carriers import computed
from isthmus.ir.graph import Node

_TYPES: Mapping[str, str] = {
    "i4": "4-bit values are not written for the engine",
    "u4": "4-bit values are not written for the engine",
    "f8e4m3": "8-bit floats are not written for the engine",
    "f8e5m2": "8-bit floats are not written for the engine",
}

DEVIATIONS: Mapping[str, str] = {
    "silu": "-inf gives -inf, not NaN",
    "gelu": "by tanh, -inf gives -inf, not NaN",
    "conv": "in groups: NaN and infinities also reach the results of the groups beside theirs",
    "attention": "causal: values that no row sees do not matter; an infinite one gives no NaN",
}
"""Op -> where results differ from the meaning."""


def refusal(node: Node) -> str | None:
    """Why no node of these types can be run, or None."""
    for value in (*node.inputs, *node.results):
        if value.dtype.name in _TYPES:
            return _TYPES[value.dtype.name]
    return None


LIBRARY_ONLY = ("attention",)
"""Ops without a default kernel. Where the kernel library is not asked, backends refuse them, so that `legalize` takes
them apart."""


def attention_refusal(node: Node) -> str | None:
    """Why the kernel library does not write attention, or None."""
    _, k, v, *_ = node.inputs
    wide = next((x.dtype.name for x in node.inputs if computed(x.dtype) != "float32"), None)
    if wide is not None:
        return f"taken apart in {wide}"
    if not isinstance(k.shape[-1], int) or not isinstance(v.shape[-1], int):
        return "taken apart where the size of a key or a value is not known"
    return None
