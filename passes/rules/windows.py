"""Attention within windows: scores seen as [images, windows, heads, L, S] while each window's mask is added."""

from __future__ import annotations

from typing import Any

from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node, Value
from isthmus.ir.ops.infer import broadcast
from isthmus.passes.pattern import OpPattern
from isthmus.passes.pattern_builder import PatternBuilder
from isthmus.passes.rule import Rule, exact, rule
from isthmus.passes.rules.attention import factor, is_attention, scores
from isthmus.passes.rules.grouping import transposed


def _windowed(
    b: PatternBuilder, q: Any, k: Any, v: Any, c: Any, d: Any, bias: Any, r: Any, mask: Any, s: Any, a: Any
) -> OpPattern:
    apart = b.reshape(scores(b, q, k, c, d, bias), shape=r)
    return b.matmul(b.softmax(b.reshape(b.add(apart, mask), shape=s), axis=a), v)


def _are_windows(
    q: Value,
    k: Value,
    v: Value,
    c: Value | None,
    d: Value | None,
    bias: Value | None,
    r: tuple[Dim, ...],
    mask: Value,
    s: tuple[Dim, ...],
    a: int,
) -> str | None:
    if not q.rank == k.rank == v.rank == 4 or len({q.shape[:2], k.shape[:2], v.shape[:2]}) > 1:
        return "q, k and v are not windows of heads"
    if s != (*q.shape[:3], k.shape[3]) or len(r) != 5 or r[2:] != s[1:] or r[0] * r[1] != s[0]:
        return f"shape {list(r)} does not tell windows apart"
    if bias is not None and ((bias.rank == 4 and bias.shape[0] != 1) or bias.rank > 4):
        return f"bias {bias!r} differs between windows"
    if mask.rank > 5 or broadcast(mask.shape, r) != r:
        return f"mask {mask!r} makes the scores larger"
    return is_attention(q, k, v, c, d, None, None, a)


def _window_attention(
    b: Builder,
    q: Value,
    k: Value,
    v: Value,
    c: Value | None,
    d: Value | None,
    bias: Value | None,
    r: tuple[Dim, ...],
    mask: Value,
    root: Node,
) -> Value:
    scale = factor(c, d)
    assert scale is not None
    q, k, v = (b.reshape(x, shape=(*r[:2], *x.shape[1:])) for x in (q, transposed(b, k, (0, 1, 3, 2)), v))
    if bias is not None:
        mask = b.add(mask, b.reshape(bias, shape=bias.shape[-3:]))
    return b.reshape(b.attention(q, k, v, mask, scale=scale), shape=root.result.shape)


RULES: tuple[Rule, ...] = (
    rule(
        "softmax of masked windows times v is attention of windows",
        exact,
        match=_windowed,
        replace=_window_attention,
        where=_are_windows,
    ),
)
