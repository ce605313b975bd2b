"""Matrix products."""

from __future__ import annotations

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.openvino.network import Handle, Network
from isthmus.ir.graph import Node


def _integers(node: Node) -> str | None:
    return None if node.inputs[0].dtype.is_float else "the engine multiplies integer matrices in f32"


@emits("matmul", unless=_integers)
def matmul(n: Network, x: Handle, y: Handle) -> Handle:
    """As numpy's, vectors and broadcasting included."""
    return n.ops.matmul(x, y, False, False)


@emits("linear")
def linear(n: Network, x: Handle, weight: Handle, bias: Handle | None = None) -> Handle:
    """A product and a sum, which the engine fuses."""
    product = n.ops.matmul(x, weight, False, False)
    return product if bias is None else n.ops.add(product, bias)


@emits("einsum")
def einsum(n: Network, *xs: Handle, equation: str) -> Handle:
    """The engine takes the same equations, without blanks."""
    return n.ops.einsum(list(xs), equation.replace(" ", ""))


def _beyond_fused(node: Node) -> str | None:
    q, k, v, mask = (*node.operands, None)[:4]
    assert q, "attention has a query"
    assert k, "attention has a key"
    assert v, "attention has a value"
    if node.attrs["causal"] and mask is not None:
        return "the engine's attention takes a mask or causality, not both"
    if not q.rank == k.rank == v.rank == 4 or not q.shape[:2] == k.shape[:2] == v.shape[:2]:
        return "the engine's attention takes four dimensions with equal batch and head counts"
    if node.attrs["causal"] and q.shape[2] != k.shape[2]:
        return "the engine's causal attention takes queries and keys of one length"
    return None


@emits("attention", unless=_beyond_fused)
def attention(
    n: Network, q: Handle, k: Handle, v: Handle, mask: Handle | None = None, *, scale: float, causal: bool
) -> Handle:
    """The engine's own attention."""
    return n.ops.scaled_dot_product_attention(q, k, v, mask, n.like(scale), causal)


MISSING = lacks(rotary_embedding="the op set has none; the engine finds it in its primitive form")
