"""Attention and rotary embedding found in their definitions, and what attention does by itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isthmus.ir import ops
from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim
from isthmus.ir.errors import IRError
from isthmus.ir.graph import Node, Value
from isthmus.ir.ops.infer import broadcast
from isthmus.ir.types import TensorType
from isthmus.passes.pattern import AnyOf, OpPattern, Pattern
from isthmus.passes.pattern_builder import PatternBuilder
from isthmus.passes.rule import Rule, exact, rule
from isthmus.passes.rules.conditions import keeps_type, number
from isthmus.passes.rules.grouping import transposed

# -- softmax(q @ k^T * factor / divisor + mask) @ v ----------------------------------------------------


def _scaled(b: PatternBuilder, x: Pattern, c: Any, d: Any) -> AnyOf:
    """x, times a constant, or by one."""
    return b.any_of(b.mul(x, b.const(c)), b.div(x, b.const(d)), x)


def scores(b: PatternBuilder, q: Any, k: Any, c: Any, d: Any, mask: Any) -> AnyOf:
    """Products of queries and transposed keys, scaled and masked or not."""
    scaled = _scaled(b, b.matmul(q, k), c, d)
    return b.any_of(b.add(scaled, mask), scaled)


def _attention(b: PatternBuilder, q: Any, k: Any, v: Any, c: Any, d: Any, mask: Any, seen: Any, a: Any) -> OpPattern:
    found = scores(b, q, k, c, d, mask)
    found = b.any_of(b.where(b.const(seen), found, -math.inf), found)
    return b.matmul(b.softmax(found, axis=a), v)


def factor(c: Value | None, d: Value | None) -> float | None:
    """What the scores are multiplied by; None where that is not one number."""
    found, divisor = (1.0 if each is None else number(each) for each in (c, d))
    return None if found is None or not divisor else found / divisor


def is_attention(
    q: Value, k: Value, v: Value, c: Value | None, d: Value | None, mask: Value | None, seen: Value | None, a: int
) -> str | None:
    """Why scores of these operands, softmaxed along `a`, are no attention; k is transposed here."""
    if min(q.rank, k.rank, v.rank) < 2 or not q.dtype.is_float:
        return "q, k and v must be matrices of floats"
    shape = (*broadcast(q.shape[:-2], k.shape[:-2]), q.shape[-2], k.shape[-1])
    if a != len(shape) - 1 or v.rank > len(shape):
        return "softmax does not run over the keys"
    if factor(c, d) is None:
        return "the scale is not one number"
    if mask is not None and broadcast(shape, mask.shape) != shape:
        return f"mask {mask!r} makes the scores larger"
    if seen is not None and not _is_lower_triangle(seen, shape[-2:]):
        return f"{seen!r} is not the lower triangle"
    return _fits(q, k.type.with_shape((*k.shape[:-2], k.shape[-1], k.shape[-2])), v.type, mask)


def _fits(q: Value, k: TensorType, v: TensorType, mask: Value | None) -> str | None:
    types = [q.type, k, v, *([] if mask is None else [mask.type])]
    try:
        ops.TABLE["attention"].infer_types(types, {"scale": 1.0, "causal": False}, {})
    except IRError as error:
        return error.reason
    return None


def _is_lower_triangle(seen: Value, square: tuple[Any, ...]) -> bool:
    array = seen.array
    return array is not None and array.shape[-2:] == square and bool((array == np.tri(*square, dtype=np.bool_)).all())


def _fused(
    b: Builder,
    q: Value,
    k: Value,
    v: Value,
    c: Value | None,
    d: Value | None,
    mask: Value | None,
    seen: Value | None,
) -> Value:
    swap, scale = (*range(k.rank - 2), k.rank - 1, k.rank - 2), factor(c, d)
    assert scale is not None
    return b.attention(q, transposed(b, k, swap), v, mask, scale=scale, causal=seen is not None)


# -- what attention does by itself ---------------------------------------------------------------------


def _scales_inside(
    b: PatternBuilder, q: Any, k: Any, v: Any, mask: Any, s: Any, o: Any, c: Any, d: Any, p: Any
) -> AnyOf:
    """Attention whose queries or keys are scaled, the keys perhaps before a transpose."""

    def once(x: Any) -> AnyOf:
        return b.any_of(b.mul(x, b.const(c)), b.div(x, b.const(d)))

    pairs = ((once(q), k), (q, once(k)), (q, b.transpose(once(k), perm=p)))
    return b.any_of(*(b.attention(*pair, v, b.optional(mask), scale=s, causal=o) for pair in pairs))


def _scale_fits(q: Value, k: Value, c: Value | None, d: Value | None, root: Node) -> str | None:
    if factor(c, d) is None:
        return "the factor is not one number"
    return None if (q.rank, k.rank) == tuple(v.rank for v in root.inputs[:2]) else "the factor has more dimensions"


def _without_scale(
    b: Builder,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None,
    s: float,
    o: bool,
    c: Value | None,
    d: Value | None,
    p: tuple[int, ...] | None,
) -> Value:
    found = factor(c, d)
    assert found is not None
    return b.attention(q, k if p is None else transposed(b, k, p), v, mask, scale=s * found, causal=o)


def _is_all_zero(mask: Value) -> str | None:
    array = mask.array
    return f"{mask!r} has elements other than 0" if array is None or bool(array.any()) else None


def _repeated(b: PatternBuilder, x: Any, e: Any, s: Any) -> OpPattern:
    return b.reshape(b.expand(x, shape=e), shape=s)


def _repeats_heads(
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None,
    ke: tuple[Dim, ...],
    ve: tuple[Dim, ...],
    ks: tuple[Dim, ...],
    vs: tuple[Dim, ...],
) -> str | None:
    for x, e, s in ((k, ke, ks), (v, ve, vs)):
        if x.rank < 4 or x.shape[-3] != 1 or e != (*x.shape[:-3], e[-3], *x.shape[-2:]):
            return f"not the heads of {x!r} are repeated"
        if s != (*e[:-4], e[-4] * e[-3], *e[-2:]):
            return f"repeated heads of {x!r} do not become more heads"
    return _fits(q, _fewer(k), _fewer(v), mask)


def _fewer(x: Value) -> TensorType:
    """The type of x [..., heads, 1, length, size] without the 1."""
    return x.type.with_shape((*x.shape[:-3], *x.shape[-2:]))


def _with_shared_heads(b: Builder, q: Value, k: Value, v: Value, mask: Value | None, s: float, o: bool) -> Value:
    k, v = (b.reshape(x, shape=_fewer(x).shape) for x in (k, v))
    return b.attention(q, k, v, mask, scale=s, causal=o)


# -- queries, keys and values of one x -----------------------------------------------------------------


def _heads(b: PatternBuilder, x: Any, w: Any, bias: Any, r: Any, p: Any) -> OpPattern:
    """The columns of a product as heads."""
    product = b.any_of(b.linear(x, b.const(w), b.optional(b.const(bias))), b.matmul(x, b.const(w)))
    return b.transpose(b.reshape(product, shape=r), perm=p)


def _self_attention(
    b: PatternBuilder,
    x: Any,
    wq: Any,
    bq: Any,
    wk: Any,
    bk: Any,
    wv: Any,
    bv: Any,
    mask: Any,
    r: Any,
    p: Any,
    s: Any,
    o: Any,
) -> OpPattern:
    q, k, v = (_heads(b, x, w, bias, r, p) for w, bias in ((wq, bq), (wk, bk), (wv, bv)))
    return b.attention(q, k, v, b.optional(mask), scale=s, causal=o)


def _join(
    wq: Value, bq: Value | None, wk: Value, bk: Value | None, wv: Value, bv: Value | None, r: tuple[Dim, ...]
) -> str | None:
    if any(w.rank != 2 or w.shape != wq.shape for w in (wq, wk, wv)) or len({b is None for b in (bq, bk, bv)}) > 1:
        return "the products are not alike"
    return None if len(r) > 2 and r[-2] * r[-1] == wq.shape[1] else "the columns do not become the last two dimensions"


def _joined(
    b: Builder,
    x: Value,
    wq: Value,
    bq: Value | None,
    wk: Value,
    bk: Value | None,
    wv: Value,
    bv: Value | None,
    mask: Value | None,
    r: tuple[Dim, ...],
    p: tuple[int, ...],
    s: float,
    o: bool,
) -> Value:
    weight = b.concat(wq, wk, wv, axis=1)
    biases = [bias for bias in (bq, bk, bv) if bias is not None]
    product = b.linear(x, weight, b.concat(*biases, axis=0)) if biases else b.matmul(x, weight)
    parts = b.split(product, axis=product.rank - 1, sizes=(wq.shape[1],) * 3)
    q, k, v = (b.transpose(b.reshape(part, shape=r), perm=p) for part in parts)
    return b.attention(q, k, v, mask, scale=s, causal=o)


# -- rotary embedding ----------------------------------------------------------------------------------


def _rotary(b: PatternBuilder, x: Any, cos: Any, sin: Any, a: Any, h: Any) -> OpPattern:
    halves = b.split(x, axis=a, sizes=h)
    return b.add(b.mul(x, cos), b.mul(b.concat(b.neg(halves[1]), halves[0], axis=a), sin))


def _turns_halves(x: Value, a: int, h: tuple[Any, ...], root: Node) -> str | None:
    if a != x.rank - 1 or len(h) != 2 or h[0] != h[1] or not isinstance(h[0], int):
        return f"sizes {list(h)} along axis {a} are not the halves of the last dimension"
    return keeps_type(x, root) if x.dtype.is_float else "integers are not turned"


RULES: tuple[Rule, ...] = (
    rule(
        "softmax of scaled scores times v is attention",
        exact,
        match=_attention,
        replace=_fused,
        where=is_attention,
    ),
    rule(
        "attention scales its queries and keys",
        exact,
        match=_scales_inside,
        replace=_without_scale,
        where=_scale_fits,
    ),
    rule(
        "attention shares the heads of keys and values",
        exact,
        match=lambda b, q, k, v, mask, s, o, ke, ks, ve, vs: b.attention(
            q, _repeated(b, k, ke, ks), _repeated(b, v, ve, vs), b.optional(mask), scale=s, causal=o
        ),
        replace=_with_shared_heads,
        where=_repeats_heads,
    ),
    rule(
        "attention broadcasts its mask by itself",
        exact,
        match=lambda b, q, k, v, m, e, s, o: b.attention(q, k, v, b.expand(m, shape=e), scale=s, causal=o),
        replace=lambda b, q, k, v, m, s, o: b.attention(q, k, v, m, scale=s, causal=o),
        shared=True,
    ),
    rule(
        "attention with a mask of zeros has none",
        exact,
        match=lambda b, q, k, v, mask, s, o: b.attention(q, k, v, b.const(mask), scale=s, causal=o),
        replace=lambda b, q, k, v, s, o: b.attention(q, k, v, scale=s, causal=o),
        where=_is_all_zero,
    ),
    rule(
        "queries, keys and values of one x are one product",
        exact,
        match=_self_attention,
        replace=_joined,
        where=_join,
    ),
    rule(
        "x by cosines plus its turned halves by sines is rotary_embedding",
        exact,
        match=_rotary,
        replace=lambda b, x, cos, sin: b.rotary_embedding(x, cos, sin),
        where=_turns_halves,
    ),
)
