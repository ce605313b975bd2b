"""What this backend does not compute, whatever the op, and where its numbers are known to differ."""

from __future__ import annotations

from collections.abc import Mapping

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
}
"""Op -> where results differ from the meaning."""


def refusal(node: Node) -> str | None:
    """Why no node of these types can be run, or None."""
    for value in (*node.inputs, *node.results):
        if value.dtype.name in _TYPES:
            return _TYPES[value.dtype.name]
    return None
