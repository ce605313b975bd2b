"""What follows or precedes a convolution and can be worked into its weights or attributes; padding into poolings."""

from __future__ import annotations

import math
from typing import Any

from isthmus.ir.builder import Builder
from isthmus.ir.graph import Value
from isthmus.passes.pattern import OpPattern
from isthmus.passes.pattern_builder import PatternBuilder
from isthmus.passes.rule import Rule, exact, rule
from isthmus.passes.rules.conditions import number, vector_along
from isthmus.passes.rules.grouping import composed
from isthmus.passes.rules.vectors import as_vector


def _constant_conv(b: PatternBuilder, x: Any, w: Any, bias: Any, k: Any) -> OpPattern:
    return b.conv(x, b.const(w), b.optional(b.const(bias)), **k)


def _along_filters(b: Builder, vector: Value, w: Value) -> Value:
    return b.reshape(vector, shape=(w.shape[0], *[1] * (w.rank - 1)))


def _scaled(b: Builder, w: Value, vector: Value) -> Value:
    return b.mul(w, _along_filters(b, vector, w))


def _with_batch_norm(
    b: Builder,
    x: Value,
    w: Value,
    bias: Value | None,
    s: Value,
    t: Value,
    m: Value,
    v: Value,
    eps: float,
    k: dict[str, Any],
) -> Value:
    factor = b.div(s, b.sqrt(b.add(v, eps)))
    centre = b.neg(m) if bias is None else b.sub(bias, m)
    return b.conv(x, _scaled(b, w, factor), b.add(b.mul(centre, factor), t), **k)


def _times(b: Builder, x: Value, w: Value, bias: Value | None, c: Value, k: dict[str, Any]) -> Value:
    factor = as_vector(b, c, w.shape[0])
    return b.conv(x, _scaled(b, w, factor), None if bias is None else b.mul(bias, factor), **k)


def _divided(b: Builder, x: Value, w: Value, bias: Value | None, c: Value, k: dict[str, Any]) -> Value:
    by = as_vector(b, c, w.shape[0])
    return b.conv(x, b.div(w, _along_filters(b, by, w)), None if bias is None else b.div(bias, by), **k)


def _plus(b: Builder, x: Value, w: Value, bias: Value | None, c: Value, k: dict[str, Any]) -> Value:
    vector = as_vector(b, c, w.shape[0])
    return b.conv(x, w, vector if bias is None else b.add(bias, vector), **k)


def _minus(b: Builder, x: Value, w: Value, bias: Value | None, c: Value, k: dict[str, Any]) -> Value:
    vector = as_vector(b, c, w.shape[0])
    return b.conv(x, w, b.neg(vector) if bias is None else b.sub(bias, vector), **k)


def _per_channel(c: Value, w: Value) -> str | None:
    return f"{c!r} has more dimensions" if c.rank > w.rank else vector_along(c, w.rank - 1, w.shape[0])


def _spatial(p: tuple[tuple[Any, Any], ...]) -> str | None:
    if p[:2] != ((0, 0), (0, 0)):
        return "batch or channels are padded"
    return None if all(isinstance(side, int) for pair in p for side in pair) else "the padding is not a number"


def _zero_pads(v: Value | None, p: tuple[tuple[Any, Any], ...]) -> str | None:
    return _spatial(p) or (None if v is None or number(v) == 0 else "the padding is not zero")


def _added(p: tuple[tuple[int, int], ...], q: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(p[2:], q, strict=True))


def _within_windows(p: tuple[tuple[int, int], ...], q: tuple[tuple[int, int], ...], k: dict[str, Any]) -> str | None:
    if k["ceil_mode"]:
        return "in ceil mode padding takes part in counting windows"
    small = all(max(pair) < size for pair, size in zip(_added(p, q), k["kernel"], strict=True))
    return None if small else "a window would lie in the padding"


def _average_counts(
    p: tuple[tuple[int, int], ...], q: tuple[tuple[int, int], ...], i: bool, k: dict[str, Any]
) -> str | None:
    return _within_windows(p, q, k) or (
        None if i or not any(map(any, q)) else "the pool does not count its own padding"
    )


RULES: tuple[Rule, ...] = (
    rule(
        "batch_norm after conv scales its weight",
        exact,
        match=lambda b, x, w, bias, s, t, m, v, eps, k: b.batch_norm(
            _constant_conv(b, x, w, bias, k), b.const(s), b.const(t), b.const(m), b.const(v), epsilon=eps
        ),
        replace=_with_batch_norm,
    ),
    rule(
        "conv times c by channel scales its weight",
        exact,
        match=lambda b, x, w, bias, c, k: b.mul(_constant_conv(b, x, w, bias, k), b.const(c)),
        replace=_times,
        where=_per_channel,
    ),
    rule(
        "conv by c by channel scales its weight",
        exact,
        match=lambda b, x, w, bias, c, k: b.div(_constant_conv(b, x, w, bias, k), b.const(c)),
        replace=_divided,
        where=_per_channel,
    ),
    rule(
        "conv plus c by channel is its bias",
        exact,
        match=lambda b, x, w, bias, c, k: b.add(b.conv(x, w, b.optional(b.const(bias)), **k), b.const(c)),
        replace=_plus,
        where=_per_channel,
    ),
    rule(
        "conv minus c by channel is its bias",
        exact,
        match=lambda b, x, w, bias, c, k: b.sub(b.conv(x, w, b.optional(b.const(bias)), **k), b.const(c)),
        replace=_minus,
        where=_per_channel,
    ),
    rule(
        "conv with bias zero is conv without bias",
        exact,
        match=lambda b, x, w, k: b.conv(x, w, 0.0, **k),
        replace=lambda b, x, w, k: b.conv(x, w, **k),
    ),
    rule(
        "zeros around conv are its padding",
        exact,
        match=lambda b, x, v, p, w, bias, q, k: b.conv(
            b.pad(x, b.optional(b.const(v)), pads=p, mode="constant"), w, b.optional(bias), pads=q, **k
        ),
        replace=lambda b, x, p, w, bias, q, k: b.conv(x, w, bias, pads=_added(p, q), **k),
        where=lambda v, p: _zero_pads(v, p),
    ),
    rule(
        "zeros around conv before a transpose are its padding",
        exact,
        match=lambda b, x, v, p, perm, w, bias, q, k: b.conv(
            b.transpose(b.pad(x, b.optional(b.const(v)), pads=p, mode="constant"), perm=perm),
            w,
            b.optional(bias),
            pads=q,
            **k,
        ),
        replace=lambda b, x, p, perm, w, bias, q, k: b.conv(
            b.transpose(x, perm=perm), w, bias, pads=_added(composed(p, perm), q), **k
        ),
        where=lambda v, p, perm: _zero_pads(v, composed(p, perm)),
    ),
    rule(
        "minus infinities around max_pool are its padding",
        exact,
        match=lambda b, x, v, p, q, k: b.max_pool(b.pad(x, b.const(v), pads=p, mode="constant"), pads=q, **k),
        replace=lambda b, x, p, q, k: b.max_pool(x, pads=_added(p, q), **k),
        where=lambda v, p, q, k: (
            _spatial(p)
            or (None if number(v) == -math.inf else "the padding is not minus infinity")
            or _within_windows(p, q, k)
        ),
    ),
    rule(
        "zeros around avg_pool are its counted padding",
        exact,
        match=lambda b, x, v, p, q, i, k: b.avg_pool(
            b.pad(x, b.optional(b.const(v)), pads=p, mode="constant"), pads=q, count_include_pad=i, **k
        ),
        replace=lambda b, x, p, q, k: b.avg_pool(x, pads=_added(p, q), count_include_pad=True, **k),
        where=lambda v, p, q, i, k: _zero_pads(v, p) or _average_counts(p, q, i, k),
    ),
)
