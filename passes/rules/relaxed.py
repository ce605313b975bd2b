"""Laws that do not hold for all numbers: labelled approximate, in no default pipeline."""

from __future__ import annotations

from isthmus.passes.rule import Rule, approximate, rule
from isthmus.passes.rules.conditions import keeps_type

RULES: tuple[Rule, ...] = (
    rule("x plus zero is x", approximate, match=lambda b, x: b.add(x, 0.0), replace=lambda b, x: x, where=keeps_type),
    rule(
        "x to the one half is its square root",  # not for -0.0 and minus infinity
        approximate,
        match=lambda b, x: b.pow(x, 0.5),
        replace=lambda b, x: b.sqrt(x),
        where=keeps_type,
    ),
    rule(
        "the logarithm of softmax is log_softmax",  # finite where softmax underflows
        approximate,
        match=lambda b, x, a: b.log(b.softmax(x, axis=a)),
        replace=lambda b, x, a: b.log_softmax(x, axis=a),
    ),
    rule(
        "the logarithm of one plus exp is softplus",  # finite where exp overflows
        approximate,
        match=lambda b, x: b.any_of(b.log(b.add(b.exp(x), 1.0)), b.log1p(b.exp(x))),
        replace=lambda b, x: b.softplus(x),
        where=keeps_type,
    ),
)
