"""Matrix products."""

from __future__ import annotations

from isthmus.backends.emitter import emits
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
    vector = n.x.rank == 1
    product = n.ops.matmul(x, weight, False, False)
    return product if bias is None else n.ops.add(product, bias) if not vector else n.ops.add(product, bias)


@emits("einsum")
def einsum(n: Network, *xs: Handle, equation: str) -> Handle:
    """The engine takes the same equations, without blanks."""
    return n.ops.einsum(list(xs), equation.replace(" ", ""))


@emits("attention")
def attention(
    n: Network, q: Handle, k: Handle, v: Handle, mask: Handle | None = None, *, scale: float, causal: bool
) -> Handle:
    """The engine's own attention."""
    raise NotImplementedError
