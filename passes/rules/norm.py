"""Normalisations and softmax found in their definitions, and what scales and shifts them."""

from __future__ import annotations

from typing import Any

from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value
from isthmus.passes.pattern import AnyOf, Pattern
from isthmus.passes.pattern_builder import PatternBuilder
from isthmus.passes.rule import Rule, exact, rule
from isthmus.passes.rules.conditions import number, vector_along
from isthmus.passes.rules.vectors import as_vector


def _over_root(b: PatternBuilder, x: Pattern, square: Pattern) -> AnyOf:
    return b.any_of(b.div(x, b.sqrt(square)), b.mul(x, b.rsqrt(square)))


def _mean_square(b: PatternBuilder, x: Pattern, axes: Any, eps: Any) -> Pattern:
    return b.add(b.reduce_mean(b.mul(x, x), axes=axes, keepdims=True), b.const(eps))


def _standardized(b: PatternBuilder, x: Any, axes: Any, eps: Any) -> AnyOf:
    centred = b.sub(x, b.reduce_mean(x, axes=axes, keepdims=True))
    return _over_root(b, centred, _mean_square(b, centred, axes, eps))


def _shifted_late(b: PatternBuilder, x: Any, s: Any, t: Any, axes: Any, eps: Any) -> Pattern:
    """x * r + (t - mean * r) with r = s / deviation: how TensorFlow writes a norm, each part in two orders."""
    mean = b.reduce_mean(x, axes=axes, keepdims=True)
    centred = b.sub(x, mean)
    scale = b.mul(b.rsqrt(_mean_square(b, centred, axes, eps)), b.const(s))
    shift = b.any_of(b.add(b.mul(b.neg(mean), scale), b.const(t)), b.sub(b.const(t), b.mul(mean, scale)))
    return b.add(b.mul(x, scale), shift)


def _tail(c: Value, rank: int) -> tuple[Dim, ...]:
    """The shape of c without the leading ones by which it has more than `rank` dimensions."""
    shape = c.shape
    while len(shape) > rank and shape[0] == 1:
        shape = shape[1:]
    return shape


def _shift_fits(x: Value, s: Value, t: Value, axes: tuple[int, ...], eps: Value) -> str | None:
    if reason := _last_axes(x, axes, eps):
        return reason
    for c in (s, t):
        shape = _tail(c, len(axes))
        fits = all(d in (1, e) for d, e in zip(shape[::-1], x.shape[::-1], strict=False))
        if c.rank > x.rank or len(shape) > len(axes) or not fits:
            return f"{c!r} is not along the normalised dimensions"
    return None


def _shifted(b: Builder, x: Value, s: Value, t: Value, axes: tuple[int, ...], eps: Value) -> Value:
    scale, bias = (b.reshape(c, shape=_tail(c, len(axes))) for c in (s, t))
    epsilon = number(eps)
    assert epsilon is not None
    return b.layer_norm(x, scale, bias, axis=min(axes), epsilon=epsilon)


def _softmax(b: PatternBuilder, x: Any, axes: Any) -> Pattern:
    weights = b.exp(b.sub(x, b.reduce_max(x, axes=axes, keepdims=True)))
    return b.div(weights, b.reduce_sum(weights, axes=axes, keepdims=True))


def _log_softmax(b: PatternBuilder, x: Any, axes: Any) -> Pattern:
    shifted = b.sub(x, b.reduce_max(x, axes=axes, keepdims=True))
    return b.sub(shifted, b.log(b.reduce_sum(b.exp(shifted), axes=axes, keepdims=True)))


def _constant_batch_norm(b: PatternBuilder, x: Any, s: Any, t: Any, m: Any, v: Any, e: Any) -> Pattern:
    return b.batch_norm(x, b.const(s), b.const(t), m, v, epsilon=e)


def _times(b: Builder, x: Value, s: Value, t: Value, m: Value, v: Value, e: float, c: Value) -> Value:
    factor = as_vector(b, c, s.shape[0])
    return b.batch_norm(x, b.mul(s, factor), b.mul(t, factor), m, v, epsilon=e)


def _plus(b: Builder, x: Value, s: Value, t: Value, m: Value, v: Value, e: float, c: Value) -> Value:
    return b.batch_norm(x, s, b.add(t, as_vector(b, c, s.shape[0])), m, v, epsilon=e)


def _by_channel(c: Value, x: Value) -> str | None:
    return f"{c!r} has more dimensions" if c.rank > x.rank else vector_along(c, x.rank - 1, x.shape[1])


def _last_axes(x: Value, axes: tuple[int, ...], eps: Value) -> str | None:
    if number(eps) is None:
        return f"epsilon {eps!r} is not one number"
    return (
        None if axes and sorted(axes) == list(range(min(axes), x.rank)) else f"axes {list(axes)} are not the last ones"
    )


def _one_axis(axes: tuple[int, ...]) -> str | None:
    return None if len(axes) == 1 else f"axes {list(axes)} are several"


def _fits_tail(c: Value, a: int, x: Value) -> str | None:
    pairs = zip(c.shape[::-1], x.shape[::-1], strict=False)
    fits = c.rank <= x.rank - a and all(d in (1, e) for d, e in pairs)
    return None if fits else f"{c!r} is not along the normalised dimensions"


RULES: tuple[Rule, ...] = (
    rule(
        "batch_norm times c by channel scales",
        exact,
        match=lambda b, x, s, t, m, v, e, c: b.mul(_constant_batch_norm(b, x, s, t, m, v, e), b.const(c)),
        replace=_times,
        where=_by_channel,
    ),
    rule(
        "batch_norm plus c by channel shifts",
        exact,
        match=lambda b, x, s, t, m, v, e, c: b.add(_constant_batch_norm(b, x, s, t, m, v, e), b.const(c)),
        replace=_plus,
        where=_by_channel,
    ),
    rule(
        "x less its mean by its deviation is layer_norm",
        exact,
        match=_standardized,
        replace=lambda b, x, axes, eps: b.layer_norm(x, axis=min(axes), epsilon=number(eps)),
        where=_last_axes,
    ),
    rule(
        "x scaled and shifted by its moments is layer_norm",
        exact,
        match=_shifted_late,
        replace=_shifted,
        where=_shift_fits,
    ),
    rule(
        "layer_norm times c scales",
        exact,
        match=lambda b, x, c, a, e: b.mul(b.layer_norm(x, axis=a, epsilon=e), c),
        replace=lambda b, x, c, a, e: b.layer_norm(x, c, axis=a, epsilon=e),
        where=_fits_tail,
    ),
    rule(
        "layer_norm plus c shifts",
        exact,
        match=lambda b, x, s, c, a, e: b.add(b.layer_norm(x, b.optional(s), axis=a, epsilon=e), c),
        replace=lambda b, x, s, c, a, e: b.layer_norm(x, s, c, axis=a, epsilon=e),
        where=_fits_tail,
    ),
    rule(
        "x by its root mean square is rms_norm",
        exact,
        match=lambda b, x, axes, eps: _over_root(b, x, _mean_square(b, x, axes, eps)),
        replace=lambda b, x, axes, eps: b.rms_norm(x, axis=min(axes), epsilon=number(eps)),
        where=_last_axes,
    ),
    rule(
        "rms_norm times c scales",
        exact,
        match=lambda b, x, c, a, e: b.mul(b.rms_norm(x, axis=a, epsilon=e), c),
        replace=lambda b, x, c, a, e: b.rms_norm(x, c, axis=a, epsilon=e),
        where=_fits_tail,
    ),
    rule(
        "exp of x by its sum is softmax",
        exact,
        match=_softmax,
        replace=lambda b, x, axes: b.softmax(x, axis=axes[0]),
        where=_one_axis,
    ),
    rule(
        "x less the logarithm of its sum of exp is log_softmax",
        exact,
        match=_log_softmax,
        replace=lambda b, x, axes: b.log_softmax(x, axis=axes[0]),
        where=_one_axis,
    ),
)
