"""What masks of numbers hide, where all their numbers are known to be above a limit."""

from __future__ import annotations

from typing import Any

from isthmus.ir.dim import bounds
from isthmus.ir.graph import Node, Value
from isthmus.passes.pattern import OpPattern
from isthmus.passes.pattern_builder import PatternBuilder
from isthmus.passes.rule import Rule, exact, rule
from isthmus.passes.rules.conditions import keeps_type, number

_PICKING = frozenset(
    ("reshape", "transpose", "expand", "slice", "reverse", "tile", "split", "gather", "gather_nd", "concat", "where")
)
"""Ops whose results hold elements of their operands and nothing else."""

_FAR = 32
"""How many nodes a mask may be picked together by."""


def _guarded(b: PatternBuilder, mask: Any, k: Any, a: Any, keep: Any, x: Any, other: Any) -> OpPattern:
    """x where a row of a mask has a number above k."""
    return b.where(b.reduce_any(b.greater(mask, b.const(k)), axes=a, keepdims=keep), x, other)


def _every_row_is_above(mask: Value, k: Value, a: tuple[int, ...], x: Value, root: Node) -> str | None:
    limit = number(k)
    if limit is None:
        return f"{k!r} is not one number"
    if any((bounds(mask.shape[axis])[0] or 0) < 1 for axis in a):
        return "a row may be empty"
    return _not_above(mask, limit) or keeps_type(x, root)


def _not_above(mask: Value, limit: float) -> str | None:
    """Why it is not certain that all elements are above the limit."""
    pending, seen = [mask], {mask}
    while pending:
        value = pending.pop()
        array = value.array
        if array is not None:
            if not bool((array > limit).all()):
                return f"{value!r} has elements that are not above {limit}"
            continue
        node = value.node
        if node is None or node.op.name not in _PICKING or len(seen) > _FAR:
            return f"nothing is known of the elements of {value!r}"
        operands = [v for v in node.inputs if v.dtype == mask.dtype]
        pending += [v for v in operands if v not in seen]
        seen.update(operands)
    return None


RULES: tuple[Rule, ...] = (
    rule(
        "a mask whose numbers are all above a limit hides no row",
        exact,
        match=_guarded,
        replace=lambda b, x: x,
        where=_every_row_is_above,
        shared=True,
    ),
)
