"""Activations found in their definitions."""

from __future__ import annotations

import math
from typing import Any

from isthmus.ir.graph import Value
from isthmus.passes.pattern import AnyOf, OpPattern, Pattern
from isthmus.passes.pattern_builder import PatternBuilder
from isthmus.passes.rule import Rule, exact, rule
from isthmus.passes.rules.conditions import near

_SIXTH = 1 / 6


def _half_of(b: PatternBuilder, x: Pattern, gate: OpPattern) -> AnyOf:
    """x * gate / 2 in the orders people write it."""
    return b.any_of(b.mul(b.mul(x, 0.5), gate), b.mul(b.mul(x, gate), 0.5), b.mul(x, b.mul(gate, 0.5)))


def _gelu(b: PatternBuilder, x: Pattern, up: Any, down: Any) -> AnyOf:
    scaled = b.any_of(b.div(x, b.const(up)), b.mul(x, b.const(down)))
    return _half_of(b, x, b.add(b.erf(scaled), 1.0))


def _tanh_gelu(b: PatternBuilder, x: Pattern, c: Any) -> AnyOf:
    cubed = b.any_of(b.pow(x, 3), b.mul(b.mul(x, x), x))
    inner = b.mul(b.add(x, b.mul(cubed, 0.044715)), b.const(c))
    return _half_of(b, x, b.add(b.tanh(inner), 1.0))


def _sixth_of(b: PatternBuilder, x: Pattern, c: Any) -> AnyOf:
    return b.any_of(b.div(x, 6.0), b.mul(x, b.const(c)))


def _ramp(b: PatternBuilder, x: Pattern) -> OpPattern:
    return b.clip(b.add(x, 3.0), 0.0, 6.0)


def _is_sixth(c: Value | None) -> str | None:
    return None if c is None else near(c, _SIXTH)


RULES: tuple[Rule, ...] = (
    rule(
        "x times sigmoid of x is silu", exact, match=lambda b, x: b.mul(x, b.sigmoid(x)), replace=lambda b, x: b.silu(x)
    ),
    rule(
        "x times tanh of softplus of x is mish",
        exact,
        match=lambda b, x: b.mul(x, b.tanh(b.softplus(x))),
        replace=lambda b, x: b.mish(x),
    ),
    rule(
        "one by one plus exp of minus x is sigmoid",
        exact,
        match=lambda b, x: b.any_of(
            b.div(1.0, b.add(b.exp(b.neg(x)), 1.0)),
            b.reciprocal(b.add(b.exp(b.neg(x)), 1.0)),
        ),
        replace=lambda b, x: b.sigmoid(x),
        where=lambda x, root: None if x.type == root.result.type else "the ones are no scalars",
    ),
    rule(
        "x by erf is gelu",
        exact,
        match=_gelu,
        replace=lambda b, x: b.gelu(x),
        where=lambda x, up, down, root: (
            (near(up, math.sqrt(2)) if up is not None else near(down, math.sqrt(0.5)))
            or (None if x.type == root.result.type else "a constant is no scalar")
        ),
    ),
    rule(
        "x by tanh is gelu",
        exact,
        match=_tanh_gelu,
        replace=lambda b, x: b.gelu(x, approximate="tanh"),
        where=lambda x, c, root: (
            near(c, math.sqrt(2 / math.pi)) or (None if x.type == root.result.type else "a constant is no scalar")
        ),
    ),
    rule(
        "a sixth of x plus three within 0 and 6 is hard_sigmoid",
        exact,
        match=lambda b, x, c: _sixth_of(b, _ramp(b, x), c),
        replace=lambda b, x: b.hard_sigmoid(x, alpha=_SIXTH, beta=0.5),
        where=lambda x, c, root: _is_sixth(c) or (None if x.type == root.result.type else "a constant is no scalar"),
    ),
    rule(
        "a sixth of x times its ramp is hard_swish",
        exact,
        match=lambda b, x, c: _sixth_of(b, b.mul(x, _ramp(b, x)), c),
        replace=lambda b, x: b.hard_swish(x),
        where=lambda x, c, root: _is_sixth(c) or (None if x.type == root.result.type else "a constant is no scalar"),
    ),
    rule(
        "x times hard_sigmoid of x is hard_swish",
        exact,
        match=lambda b, x, a: b.mul(x, b.hard_sigmoid(x, alpha=a, beta=0.5)),
        replace=lambda b, x: b.hard_swish(x),
        where=lambda a: None if math.isclose(a, _SIXTH, rel_tol=1e-6) else f"alpha is {a}, not 1/6",
    ),
)
