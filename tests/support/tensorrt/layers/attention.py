"""Attention and what goes with it. Computed in f32, rounded to the operands' type at the end.

A fused kernel is free to round scores and probabilities to the operands' type in between; the documentation leaves that
open, so agreement is to be asked for within that type's rounding.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import Array, numpy_type, wide
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.layers.quantization import quantized
from tests.support.tensorrt.layers.reduction import normalized_exponentials
from tests.support.tensorrt.meaning import means


@means("IAttentionInputLayer")
def attention(layer: Any, *inputs: Array) -> Array:
    """normalization(Q K^T + mask) V, without a factor on Q K^T (operator page "Attention", NvInfer.h IAttention).

    The layer at the output boundary passes on what this one returns. Queries are [B, heads, tokens, size], or packed
    as [tokens, heads, size] with cumulative lengths; of keys and values each head serves an equal share of the
    query heads. A query that may attend to nothing gets NaN, as the formula says.
    """
    parameters = layer.attention
    by_handle = {layer.get_input(i): array for i, array in enumerate(inputs)}
    query, key, value = (by_handle[parameters.get_input(i)] for i in range(3))
    options = {
        name: by_handle.get(getattr(parameters, name, None))
        for name in ("mask", "normalization_quantize_scale", "query_lengths", "key_value_lengths")
    }
    queries = _sequences(query, _form(parameters, "query_form"), options["query_lengths"])
    keys = _sequences(key, _form(parameters, "key_value_form"), options["key_value_lengths"])
    values = _sequences(value, _form(parameters, "key_value_form"), options["key_value_lengths"])
    found = []
    for i, (q, k, v) in enumerate(zip(queries, keys, values, strict=True)):
        mask = options["mask"]
        one = None if mask is None else mask[min(i, mask.shape[0] - 1)]
        found.append(_one_sequence(parameters, q, k, v, one, options["normalization_quantize_scale"]))
    if _form(parameters, "query_form") == "PACKED_NHD":
        return np.concatenate([f.swapaxes(0, 1) for f in found]).astype(query.dtype)
    return np.stack(found).astype(query.dtype) if found else query


def _form(parameters: Any, name: str) -> str:
    form = getattr(parameters, name, None)  # releases before 11.1 know the padded form only
    return "PADDED_BHND" if form is None else str(form.name)


def _sequences(x: Array, form: str, lengths: Array | None) -> list[Array]:
    """One array [heads, tokens, size] a batch item."""
    values = wide(x)
    if form == "PADDED_BHND":
        counts = [x.shape[2]] * x.shape[0] if lengths is None else lengths.tolist()
        return [item[:, :n] for item, n in zip(values, counts, strict=True)]
    if lengths is None:
        raise NetworkError("packed attention lacks its lengths")
    return [values[a:b].swapaxes(0, 1) for a, b in pairwise(lengths.tolist())]


def _one_sequence(parameters: Any, q: Array, k: Array, v: Array, mask: Array | None, scale: Array | None) -> Array:
    share = q.shape[0] // k.shape[0]
    k, v = np.repeat(k, share, 0), np.repeat(v, share, 0)
    scores = np.matmul(q, k.swapaxes(1, 2))
    if mask is not None:
        allowed = mask[..., : scores.shape[-1]]
        scores = np.where(allowed, scores, -np.inf) if mask.dtype == np.bool_ else scores + wide(allowed)
    scores = np.where(_causal(_causal_kind(parameters), *scores.shape[1:]), scores, -np.inf)
    if parameters.norm_op.name == "SOFTMAX":
        scores = normalized_exponentials(scores, -1)
    if scale is not None:
        dtype = numpy_type(parameters.normalization_quantize_to_type)
        scores = quantized(scores, scale, dtype).astype(np.float32) * wide(scale)
    return np.asarray(np.matmul(scores.astype(np.float32), v))


def _causal_kind(parameters: Any) -> str:
    kind = getattr(parameters, "causal_kind", None)
    if kind is None:
        return "UPPER_LEFT" if parameters.causal else "NONE"
    return str(kind.name)


def _causal(kind: str, queries: int, keys: int) -> Array:
    """Which keys each query sees: j <= i, or j <= i + (keys - queries) (the bindings' CausalMaskKind)."""
    if kind == "NONE":
        return np.ones((queries, keys), np.bool_)
    shift = keys - queries if kind == "LOWER_RIGHT" else 0
    return np.arange(keys) <= np.arange(queries)[:, None] + shift


@means("IRotaryEmbeddingLayer")
def rotary_embedding(layer: Any, x: Array, cos: Array, sin: Array, positions: Array | None = None) -> Array:
    """Pairs of elements of [B, N, S, H] rotated by angles whose cosines and sines are [B, S, R / 2].

    With positions [B, S] the caches are [positions, R / 2]. R is `rotary_embedding_dim`, 0 for all of H. Interleaved
    pairs are neighbours, others are half of R apart (developer guide, "Rotary Position Embedding").
    """
    width = layer.rotary_embedding_dim or x.shape[-1]
    c, s = (wide(cache if positions is None else cache[positions])[:, None] for cache in (cos, sin))
    turned, rest = wide(x[..., :width]), x[..., width:]
    if layer.interleaved:
        first, second = turned[..., 0::2], turned[..., 1::2]
    else:
        first, second = turned[..., : width // 2], turned[..., width // 2 :]
    real, imaginary = first * c - second * s, second * c + first * s
    if layer.interleaved:
        joined = np.stack([real, imaginary], -1).reshape(turned.shape)
    else:
        joined = np.concatenate([real, imaginary], -1)
    return np.concatenate([joined.astype(x.dtype), rest], -1)


@means("IKVCacheUpdateLayer")
def kv_cache_update(layer: Any, cache: Array, update: Array, places: Array, lengths: Array | None = None) -> Array:
    """output[i, :, places[i] + s, :] = update[i, :, s, :], the rest as in the cache."""
    if layer.cache_mode.name != "LINEAR":
        raise NetworkError(f"cache mode {layer.cache_mode.name} is not known here")
    result = cache.copy()
    for i, (new, first) in enumerate(
        zip(_sequences(update, _form(layer, "update_form"), lengths), places, strict=True)
    ):
        if first + new.shape[1] > cache.shape[2]:
            raise NetworkError(f"'{layer.name}' writes beyond the {cache.shape[2]} places of its cache")
        result[i, :, first : first + new.shape[1]] = new.astype(cache.dtype)
    return result
