"""Attention, as opset 23 brought it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onnx import TensorProto

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.frame import ByDefinition, OnnxBuilder
from isthmus.ir.dim import Dim
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, I64


@lowers("Attention", since=23)
def attention(
    b: OnnxBuilder,
    q: Value,
    k: Value,
    v: Value,
    attn_mask: Value | None = None,
    past_key: Value | None = None,
    past_value: Value | None = None,
    nonpad_kv_seqlen: Value | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    softcap: float = 0.0,
    q_num_heads: int | None = None,
    kv_num_heads: int | None = None,
    softmax_precision: int | None = None,
    qk_matmul_output_mode: int = 0,
    left_window_size: int = -1,
    right_window_size: int = -1,
) -> Sequence[Value]:
    """softmax(scale * q @ k^T + mask) @ v over keys and values that follow those of the past. A row that sees nothing
    is 0. What shows the scores, caps them, looks through a window, or counts its keys call by call is left to the
    definition by which ONNX comes.
    """
    if softcap or nonpad_kv_seqlen is not None or b.wants(3) or softmax_precision not in _PRECISIONS:
        raise ByDefinition
    if max(left_window_size, right_window_size) >= 0:
        raise ByDefinition
    if (past_key is None) != (past_value is None):
        raise MalformedModel("Attention needs both of past_key and past_value, or none")
    is_flat = q.rank == 3
    q, k, v = _by_head(b, q, q_num_heads), _by_head(b, k, kv_num_heads), _by_head(b, v, kv_num_heads)
    past: Dim = 0
    if past_key is not None and past_value is not None:
        past = past_key.shape[2]
        k, v = b.concat(past_key, k, axis=2), b.concat(past_value, v, axis=2)
    size = q.shape[-1]
    if scale is None:
        if not isinstance(size, int):
            raise UnsupportedModel("Attention over a head size that is not known needs `scale`")
        scale = 1 / math.sqrt(size)
    mask = None if attn_mask is None else _added(b, attn_mask, q, k)
    if is_causal and (mask is not None or past != 0):
        mask, is_causal = _without_later(b, mask, q, k, past), False
    seeing = None
    if attn_mask is not None and mask is not None:
        shown = b.greater(mask, b.const(-math.inf, mask.dtype))
        seeing = b.reduce_any(shown, axes=(mask.rank - 1,), keepdims=True)
        mask = b.where(seeing, mask, b.const(0.0, mask.dtype))
    y = b.attention(q, k, v, mask, scale=float(scale), causal=is_causal)
    y = y if seeing is None else b.where(seeing, y, b.const(0.0, y.dtype))
    if is_flat:
        y = b.transpose(y, perm=(0, 2, 1, 3))
        y = b.reshape(y, shape=(*y.shape[:2], y.shape[2] * y.shape[3]))
    return y, k, v


_PRECISIONS = (None, TensorProto.FLOAT)
"""Narrow attention takes its softmax in f32 anyway."""


def _by_head(b: OnnxBuilder, x: Value, heads: int | None) -> Value:
    """[batch, heads, length, size], of what may be [batch, length, heads * size]."""
    if x.rank == 4:
        return x
    size = x.shape[-1]
    if not heads or not isinstance(size, int) or size % heads:
        raise MalformedModel(f"Attention over {x.type} needs the numbers of heads, which divide its last dimension")
    return b.transpose(b.reshape(x, shape=(*x.shape[:2], heads, size // heads)), perm=(0, 2, 1, 3))


def _added(b: OnnxBuilder, mask: Value, q: Value, k: Value) -> Value:
    """What is added to the scores: -inf where a mask of truth values hides, and for keys beyond a shorter mask."""
    if mask.dtype == BOOL:
        mask = b.where(mask, b.const(0.0, q.dtype), b.const(-math.inf, q.dtype))
    keys, given = k.shape[2], mask.shape[-1]
    if given in (1, keys):
        return mask
    lacking = (*((0, 0),) * (mask.rank - 1), (0, keys - given))
    return b.pad(mask, b.const(-math.inf, mask.dtype), pads=lacking)


def _without_later(b: OnnxBuilder, mask: Value | None, q: Value, k: Value, past: Dim) -> Value:
    """A mask that also hides the keys after each query, which stands behind those of the past."""
    square = q.shape[2], k.shape[2]
    rows, columns = (b.iota(dtype=I64, shape=square, axis=axis) for axis in (0, 1))
    seen = b.less_equal(b.sub(columns, b.dims((past,))), rows)
    shown = b.const(0.0, q.dtype) if mask is None else mask
    return b.where(seen, shown, b.const(-math.inf, q.dtype))
