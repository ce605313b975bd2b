"""Two bodies of which a condition takes one, as an `if` node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from isthmus.compiler.importers.tensorflow.operands import KINDS, Operand, Poison
from isthmus.compiler.importers.tensorflow.scope import Scope, rebuilt
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL

Branch: TypeAlias = Callable[[Scope], Sequence[Operand]]
"""Reads a body into a scope; what it yields."""


def choose(scope: Scope, condition: Value, then: Branch, other: Branch) -> tuple[Operand, ...]:
    """The results of `then` where the scalar condition holds, else of `other`.

    A condition that is known while importing leaves only the branch taken.
    """
    b = scope.builder
    condition = scope.admit(truth(scope, condition))
    known = b.numbers(condition)
    if known is not None:
        return tuple((then if known.item() else other)(scope))
    loc = b.loc
    inner = [scope.body("then"), scope.body("else")]
    yields = [tuple(read(each)) for read, each in zip((then, other), inner, strict=True)]
    if len(yields[0]) != len(yields[1]):
        raise MalformedModel(f"one branch yields {len(yields[0])} values, the other {len(yields[1])}")
    if poisons := [x for each in yields for x in each if isinstance(x, Poison)]:
        return tuple(poisons[0] for _ in yields[0])
    tensors = [[each for each in found if isinstance(each, Value)] for found in yields]
    for pair in zip(*yields, strict=True):
        _check(pair)
    captured = list(dict.fromkeys(v for each in inner for v in each.captured))
    graphs = []
    for each, found in zip(inner, tensors, strict=True):
        inputs = [each.capture(v) for v in captured]
        graphs.append(rebuilt(each.graph, inputs, [each.admit(v) for v in found]))
    with b.at(loc):
        results = iter(b.if_(condition, *captured, then=graphs[0], else_=graphs[1]))
    return tuple(next(results) if isinstance(x, Value) else x for x in yields[0])


def truth(scope: Scope, condition: Value) -> Value:
    """A condition as a bool scalar: numbers hold where they are not zero, as in Python."""
    b = scope.builder
    if condition.rank:
        raise UnsupportedModel(f"the condition is {condition.type}, not a scalar")
    return condition if condition.dtype == BOOL else b.cast(condition, dtype=BOOL)


def _check(pair: tuple[Operand, Operand]) -> None:
    a, c = pair
    if isinstance(a, Value) and isinstance(c, Value):
        if a.dtype != c.dtype or a.rank != c.rank:
            raise UnsupportedModel(f"one branch yields {a.type}, the other {c.type}")
    elif a is not c:
        raise UnsupportedModel(f"a branch yields {KINDS[type(a)]}, which is not supported")
