"""The builder that patterns are written with: its methods have the names of `Builder`'s and make patterns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from isthmus.ir import ops
from isthmus.ir.errors import IsthmusError, RuleError
from isthmus.ir.op import Op, coerce
from isthmus.passes.pattern import AnyOf, Const, Maybe, Number, OpPattern, Pattern, Rest, Var


class PatternBuilder:
    """Has a method for each op of the table, as `Builder` has; they make patterns instead of nodes."""

    def const(self, var: Var) -> Const:
        """A captured value that must be constant."""
        if not isinstance(var, Var):
            raise RuleError(f"const({var!r}) captures nothing", hint="b.const(x) of a parameter; a number stands alone")
        return Const(var)

    def optional(self, pattern: Any) -> Maybe:
        """An operand that may be absent."""
        return Maybe(as_pattern(pattern))

    def any_of(self, *patterns: Any) -> AnyOf:
        """Alternatives, tried in order."""
        return AnyOf([as_pattern(p) for p in patterns])

    def __getattr__(self, name: str) -> Callable[..., OpPattern]:
        op = ops.TABLE.get(name.removesuffix("_"))
        if op is None:
            raise RuleError(f"a pattern uses {name!r}, which the op table has not")
        return lambda *operands, **attrs: op_pattern(op, operands, attrs)


def as_pattern(item: Any) -> Pattern:
    """A pattern for what stands in an operand's place: numbers stand for constants."""
    if isinstance(item, Pattern):
        return item
    if isinstance(item, int | float):
        return Number(item)
    raise RuleError(f"{item!r} cannot stand for an operand", hint="use a captured value, a builder call or a number")


def op_pattern(op: Op, operands: Sequence[Any], given: Mapping[str, Any]) -> OpPattern:
    """The pattern of a node; `given` are its attributes, and under "**" the variable for those not given."""
    attrs = {name.removesuffix("_"): value for name, value in given.items() if name != "**"}
    rest = given.get("**")
    if op.regions:
        raise RuleError(f"{op.name} holds regions, which patterns do not describe")
    for name, value in attrs.items():
        if name not in op.attributes:
            raise RuleError(
                f"{op.name} has no attribute {name!r}", hint=f"it has: {', '.join(op.attributes) or 'none'}"
            )
        if not isinstance(value, Var):
            try:
                attrs[name] = coerce(op.attributes[name].annotation, value, f"{op.name}: attribute {name}")
            except IsthmusError as error:
                raise RuleError(error.reason) from error
    missing = [a.name for a in op.attributes.values() if a.required and a.name not in attrs]
    if missing and rest is None:
        raise RuleError(f"a pattern with {op.name} says nothing of {', '.join(missing)}", hint="capture it, or use **k")
    patterns = [None if item is None else as_pattern(item) for item in operands]
    rests = [i for i, p in enumerate(patterns) if isinstance(p, Rest)]
    if rests and not (rests == [len(patterns) - 1] and op.operands[-1].variadic):
        raise RuleError(f"*xs in {op.name} must be the last operand of an op that takes any number")
    _check_operands(op, patterns, several=bool(rests))
    return OpPattern(op, patterns, attrs, rest)


def _check_operands(op: Op, patterns: Sequence[Pattern | None], several: bool) -> None:
    """RuleError for operands that no node of the op has, or that each has and the pattern leaves out."""
    takes = ", ".join(each.name for each in op.operands) or "none"
    if len(patterns) > len(op.operands) and not (op.operands and op.operands[-1].variadic):
        raise RuleError(f"a pattern gives {op.name} {len(patterns)} operands", hint=f"it takes: {takes}")
    if several:
        return
    for i, spec in enumerate(op.operands):
        if not (spec.optional or spec.variadic) and (i >= len(patterns) or patterns[i] is None):
            raise RuleError(f"a pattern with {op.name} says nothing of operand {spec.name}", hint=f"it takes: {takes}")
