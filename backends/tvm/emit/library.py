"""Composites that the kernel library alone writes: without it, and on GPUs, they are taken apart beforehand."""

from __future__ import annotations

from typing import NoReturn

from isthmus.backends.emitter import emits
from isthmus.backends.tvm.limits import attention_refusal
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.tensors import Pending, Tensor
from isthmus.ir.errors import BackendFailed


@emits("attention", unless=attention_refusal)
def attention(
    n: Network, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, scale: float, causal: bool
) -> Tensor:
    """By `schedules/attention.py`."""
    return _generated(n, q, k, v, *([] if mask is None else [mask]))


def _generated(n: Network, *operands: Tensor) -> Pending:
    node = n.node

    def prepare() -> NoReturn:
        raise BackendFailed(f"{node.op.name} has no default kernel", where=repr(node))

    return n.deferred(prepare, operands)
