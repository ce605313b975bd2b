"""The rules isthmus ships, as data: one list a family, families named as in `ir/ops`.

What `exact` promises: over the real numbers both sides are the same function, for every value of the captured operands
and every binding of the symbols. On floats the sides differ by rounding at most: where constants are worked out
beforehand (a batch norm's scale multiplied into a weight), or where an op of the table stands for what defines it.
NaN, infinities and the sign of zero stay, except that
  - intermediate overflow and underflow may come elsewhere once constants are combined, or vanish where an op of the
    table stands for what defines it, and
  - adding a constant into a product or convolution as its bias may change the sign of a zero result.
So `x + 0.0` is not dropped (it turns -0.0 into 0.0) while `x + -0.0` and `x - 0.0` are. Everything else that changes
numbers is `approximate`, and no default pipeline uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from isthmus.ir.errors import PipelineError
from isthmus.passes.rule import Rule
from isthmus.passes.rules import (
    activation,
    attention,
    conv,
    elementwise,
    linear,
    masking,
    moves,
    norm,
    parts,
    reduce,
    relaxed,
    shape,
    windows,
)

CANONICAL: tuple[Rule, ...] = (
    *elementwise.RULES,
    *shape.RULES,
    *parts.RULES,
    *moves.RULES,
    *reduce.RULES,
    *masking.RULES,
)
"""Laws that make a graph simpler."""

FUSIONS: Mapping[str, tuple[Rule, ...]] = {
    "activation": activation.RULES,
    "norm": norm.RULES,
    "conv": conv.RULES,
    "linear": linear.RULES,
    "attention": (*attention.RULES, *windows.RULES),
}
"""Laws that make larger ops, by family."""

APPROXIMATE: tuple[Rule, ...] = relaxed.RULES
"""Laws that do not hold for all numbers."""


def shipped() -> tuple[Rule, ...]:
    """Every rule, once."""
    return (*CANONICAL, *(rule for family in FUSIONS.values() for rule in family), *APPROXIMATE)


def select(families: Mapping[str, tuple[Rule, ...]], only: Sequence[str] = ()) -> tuple[Rule, ...]:
    """The rules of the families named in `only`, or of all. PipelineError for an unknown family."""
    for name in only:
        if name not in families:
            near = get_close_matches(name, families, n=1) or list(families)
            raise PipelineError(f"no rule family is called {name!r}", hint=f"did you mean {' or '.join(near)}?")
    return tuple(rule for name, rules in families.items() if not only or name in only for rule in rules)
