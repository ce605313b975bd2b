"""What the kernels for CUDA do not compute, beyond what the backend refuses everywhere."""

from __future__ import annotations

from isthmus.backends.tvm.limits import LIBRARY_ONLY
from isthmus.ir.graph import Node

_DRIVEN = "if", "loop", "scan"


def refusal(node: Node) -> str | None:
    """Why the node cannot run on a GPU, or None."""
    if node.op.name in _DRIVEN:
        return "branches and loops are driven from the host, which sees no memory of the GPU"
    if node.op.name in LIBRARY_ONLY:
        return "written by the kernel library for CPUs only"
    return None
