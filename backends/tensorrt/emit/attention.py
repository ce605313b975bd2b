"""Attention and the rotation of its positions."""

from __future__ import annotations

from isthmus.backends.emitter import emits
from isthmus.backends.tensorrt.emit.shape import window
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.ir.graph import Node, Value


def _beyond_fused(node: Node) -> str | None:
    q, k, v, mask = (*node.operands, None)[:4]
    assert q, "attention has a query"
    assert k, "attention has a key"
    assert v, "attention has a value"
    if node.attrs["causal"] and mask is not None:
        return "the engine's attention takes a mask or causality, not both"
    if not q.rank == k.rank == v.rank <= 4 or k.shape != v.shape or q.shape[:-3] != k.shape[:-3]:
        return "the engine's attention takes queries, keys and values of equal batches and sizes in up to 4 dimensions"
    if q.rank > 2 and (not isinstance(q.shape[-3], int) or not isinstance(k.shape[-3], int)):
        return "the engine's attention takes head counts that are numbers"
    if q.rank > 2 and q.shape[-3] % k.shape[-3]:
        return "the engine's attention broadcasts no single head of queries"
    if 0 in (*q.shape, *k.shape):
        return "the engine's attention takes no empty tensor"
    return None


@emits("attention", unless=_beyond_fused)
def attention(
    n: Network, q: Handle, k: Handle, v: Handle, mask: Handle | None = None, *, scale: float, causal: bool
) -> Handle:
    """The engine's own, which shares heads of keys and values alike, and has no scale: queries are scaled first.

    Where it has no kernel for the sizes, it may take the attention apart.
    """
    missing = 4 - n.x.rank
    if scale != 1.0:
        q = n.elementwise("PROD", q, n.like(scale))
    q, k, v = (n.raise_rank(each, 4) for each in (q, k, v))
    kinds = n.trt.CausalMaskKind
    fused = n.layer(
        n.definition.add_attention_v2(
            q, k, v, n.trt.AttentionNormalizationOp.SOFTMAX, kinds.UPPER_LEFT if causal else kinds.NONE
        )
    )
    fused.decomposable = True
    if mask is not None:
        fused.mask = n.raise_rank(mask, 4)
    result = n.of(fused)
    return n.squeeze(result, range(missing)) if missing else result


def _halves_differ(node: Node) -> str | None:
    x, *turns = node.inputs
    if x.rank != 4:
        return "the engine rotates tensors of 4 dimensions"
    for turn in turns:
        batch, heads, length, size = (1,) * (4 - turn.rank) + turn.shape
        if heads != 1 or (batch, length, size) not in ((1, *x.shape[2:]), (x.shape[0], *x.shape[2:])):
            return "the engine rotates all heads alike, by cosines and sines for every position"
        if not _repeats(turn):
            return "the engine rotates both halves by the same angles, and nothing shows that these are the same"
    return None


@emits("rotary_embedding", unless=_halves_differ)
def rotary_embedding(n: Network, x: Handle, cos: Handle, sin: Handle) -> Handle:
    """The engine's own, which takes the cosines and sines of one half: [batch, length, size / 2]."""
    batch, _, length, size = n.x.shape
    turns = []
    for value, turn in zip(n.node.inputs[1:], (cos, sin), strict=True):
        half = window(n, turn, (value.rank - 1,), (0,), (size // 2,))
        if value.rank == 4:
            half = n.squeeze(half, (1,))
        turns.append(n.broadcast(half, (batch, length, size // 2)))
    return n.of(n.definition.add_rotary_embedding(x, *turns, False, 0))


_ALONG = frozenset(("cos", "sin", "cast", "neg"))
"""Ops whose result repeats where their operand does."""


def _repeats(value: Value) -> bool:
    """Whether the halves of the last dimension are known to be equal."""
    if (array := value.array) is not None:
        half = array.shape[-1] // 2
        return bool((array[..., :half] == array[..., half:]).all())
    node = value.node
    if node is None:
        return False
    if node.op.name == "concat":
        return node.attrs["axis"] == value.rank - 1 and len(node.inputs) == 2 and node.inputs[0] is node.inputs[1]
    if node.op.name in _ALONG or (node.op.name == "reshape" and node.inputs[0].shape[-1:] == value.shape[-1:]):
        return _repeats(node.inputs[0])
    if node.op.name == "mul":
        return all(x.rank == 0 or x.shape[-1] == 1 or _repeats(x) for x in node.inputs)
    return False
