"""The encoder's fused kernels: what a trace holds that was made with torch's fast path on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from isthmus.compiler.importers.torch.activation import gelu
from isthmus.compiler.importers.torch.args import truth
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.linalg import attention, linear
from isthmus.compiler.importers.torch.norm import layer_norm
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value

_PADDING_MASK = 1
"""A mask over the keys of each example, [N, L]; others broadcast to the scores as they are."""


@aten("_native_multi_head_attention")
def fused_heads(
    b: TorchBuilder,
    x: Value,
    key: Value,
    value: Value,
    embed_dim: int,
    num_head: int,
    qkv_weight: Value,
    qkv_bias: Value,
    proj_weight: Value,
    proj_bias: Value,
    mask: Value | None = None,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    mask_type: int | None = None,
) -> Sequence[Value | None]:
    """Self-attention over [N, L, E] with packed projections, and its weights if asked for; marked places are hidden."""
    if not (key is x and value is x):
        raise UnsupportedModel("the fused encoder kernel over different queries, keys and values")
    batch, length, _ = x.shape
    size = embed_dim // num_head
    parts = b.split(linear(b, x, qkv_weight, qkv_bias), axis=2, sizes=(embed_dim,) * 3)
    heads = (batch, length, num_head, size)
    q, k, v = (b.transpose(b.reshape(part, shape=heads), perm=(0, 2, 1, 3)) for part in parts)
    seen = None if mask is None else b.logical_not(_over_scores(b, truth(b, mask), mask_type))
    weights: Value | None = None
    if need_weights:
        scores = b.mul(b.matmul(q, b.transpose(k, perm=(0, 1, 3, 2))), b.const(1 / math.sqrt(size), x.dtype))
        hidden = scores if seen is None else b.where(seen, scores, b.const(-math.inf, x.dtype))
        weights = b.softmax(hidden, axis=3)
        y = b.matmul(weights, v)
        weights = b.reduce_mean(weights, axes=(1,)) if average_attn_weights else weights
    else:
        y = attention(b, q, k, v, attn_mask=seen, scale=1 / math.sqrt(size))
    joined = b.reshape(b.transpose(y, perm=(0, 2, 1, 3)), shape=(batch, length, embed_dim))
    return linear(b, joined, proj_weight, proj_bias), weights


@aten("_transformer_encoder_layer_fwd")
def fused_layer(
    b: TorchBuilder,
    x: Value,
    embed_dim: int,
    num_heads: int,
    qkv_weight: Value,
    qkv_bias: Value,
    proj_weight: Value,
    proj_bias: Value,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: Value,
    norm_bias_1: Value,
    norm_weight_2: Value,
    norm_bias_2: Value,
    ffn_weight_1: Value,
    ffn_bias_1: Value,
    ffn_weight_2: Value,
    ffn_bias_2: Value,
    mask: Value | None = None,
    mask_type: int | None = None,
) -> Value:
    """One encoder layer: attention and two linear layers, each with its norm before or after (arXiv:2002.04745)."""

    def attend(inner: Value) -> Value:
        packed = qkv_weight, qkv_bias, proj_weight, proj_bias
        found = fused_heads(b, inner, inner, inner, embed_dim, num_heads, *packed, mask, False, True, mask_type)[0]
        assert isinstance(found, Value)
        return found

    def feed(inner: Value) -> Value:
        wide = linear(b, inner, ffn_weight_1, ffn_bias_1)
        return linear(b, gelu(b, wide) if use_gelu else b.relu(wide), ffn_weight_2, ffn_bias_2)

    def norm(inner: Value, weight: Value, bias: Value) -> Value:
        return layer_norm(b, inner, (embed_dim,), weight, bias, eps)

    if norm_first:
        x = b.add(x, attend(norm(x, norm_weight_1, norm_bias_1)))
        return b.add(x, feed(norm(x, norm_weight_2, norm_bias_2)))
    x = norm(b.add(x, attend(x)), norm_weight_1, norm_bias_1)
    return norm(b.add(x, feed(x)), norm_weight_2, norm_bias_2)


def _over_scores(b: TorchBuilder, mask: Value, kind: int | None) -> Value:
    """The mask as it broadcasts to scores [N, heads, L, L]."""
    if kind == _PADDING_MASK:
        batch, length = mask.shape
        return b.reshape(mask, shape=(batch, 1, 1, length))
    return mask
