"""Matrix products with constant weights, and what can be worked into them."""

from __future__ import annotations

from isthmus.ir.builder import Builder
from isthmus.ir.graph import Value
from isthmus.passes.rule import Rule, exact, rule
from isthmus.passes.rules.conditions import vector_along
from isthmus.passes.rules.vectors import as_vector


def _column_vector(c: Value, w: Value, x: Value) -> str | None:
    if w.rank != 2 or not w.dtype.is_float:
        return f"weight {w!r} is no matrix of floats"
    if c.rank > x.rank:
        return f"{c!r} has more dimensions"
    return vector_along(c, 1, w.shape[1])


def _times(b: Builder, x: Value, w: Value, bias: Value | None, c: Value) -> Value:
    factor = as_vector(b, c, w.shape[1])
    weight = b.mul(w, b.reshape(factor, shape=(1, w.shape[1])))
    return b.matmul(x, weight) if bias is None else b.linear(x, weight, b.mul(bias, factor))


RULES: tuple[Rule, ...] = (
    rule(
        "matmul plus c by column is linear",
        exact,
        match=lambda b, x, w, c: b.add(b.any_of(b.matmul(x, b.const(w)), b.linear(x, b.const(w))), b.const(c)),
        replace=lambda b, x, w, c: b.linear(x, w, as_vector(b, c, w.shape[1])),
        where=_column_vector,
    ),
    rule(
        "linear plus c by column adds to its bias",
        exact,
        match=lambda b, x, w, d, c: b.add(b.linear(x, w, b.const(d)), b.const(c)),
        replace=lambda b, x, w, d, c: b.linear(x, w, b.add(d, as_vector(b, c, w.shape[1]))),
        where=_column_vector,
    ),
    rule(
        "product times c by column scales its weight",
        exact,
        match=lambda b, x, w, bias, c: b.mul(
            b.any_of(b.matmul(x, b.const(w)), b.linear(x, b.const(w), b.optional(b.const(bias)))), b.const(c)
        ),
        replace=_times,
        where=_column_vector,
    ),
    rule(
        "linear without bias is matmul",
        exact,
        match=lambda b, x, w: b.linear(x, w),
        replace=lambda b, x, w: b.matmul(x, w),
    ),
)
