"""Laws of elementwise ops."""

from __future__ import annotations

from isthmus.ir import ops
from isthmus.ir.builder import Builder
from isthmus.ir.errors import IRError
from isthmus.ir.graph import Node, Value
from isthmus.ir.op import Trait
from isthmus.ir.types import DType
from isthmus.passes.pattern import AnyOf
from isthmus.passes.pattern_builder import PatternBuilder
from isthmus.passes.rule import Rule, exact, rule
from isthmus.passes.rules.conditions import keeps_type, lossless

_COMMUTATIVE = [row.name for row in ops.TABLE.values() if row.has(Trait.COMMUTATIVE)]
_BINARY = [
    row.name
    for row in ops.TABLE.values()
    if row.has(Trait.ELEMENTWISE) and len(row.operands) == 2 and not row.operands[1].optional and not row.attributes
]
_IDEMPOTENT = ("abs", "sign", "ceil", "floor", "round", "relu")
_INVOLUTIONS = ("neg", "logical_not", "bitwise_not")


def _any_binary(b: PatternBuilder, x: object, y: object) -> AnyOf:
    return b.any_of(*(getattr(b, name)(x, y) for name in _BINARY))


def _swapped(root: Node) -> str | None:
    x, y = root.inputs
    return None if x.constant is not None and y.constant is None else "no constant stands left of a variable"


def _broadcasts_anyway(x: Value, y: Value, root: Node) -> str | None:
    try:
        (found,) = root.op.infer_types([x.type, y.type], root.attrs, {})
    except IRError as error:
        return error.reason
    return None if found == root.result.type else f"without expand the result would be {found}"


def _same_op(b: Builder, root: Node, *operands: Value) -> Value:
    return b.create(root.op, operands, root.attrs).result


def _scalars(low: Value, high: Value) -> str | None:
    return "a bound is no scalar" if low.rank or high.rank else None


def _fits(x: Value, d: DType) -> str | None:
    return None if lossless(x.dtype, d) else f"{d} does not hold every {x.dtype}"


_NEUTRAL: tuple[Rule, ...] = (
    rule("x plus minus zero is x", exact, match=lambda b, x: b.add(x, -0.0), replace=lambda b, x: x, where=keeps_type),
    rule("x minus zero is x", exact, match=lambda b, x: b.sub(x, 0.0), replace=lambda b, x: x, where=keeps_type),
    rule("x times one is x", exact, match=lambda b, x: b.mul(x, 1), replace=lambda b, x: x, where=keeps_type),
    rule("x by one is x", exact, match=lambda b, x: b.div(x, 1), replace=lambda b, x: x, where=keeps_type),
    rule(
        "integer x by one is x",
        exact,
        match=lambda b, x: b.any_of(b.floor_div(x, 1), b.trunc_div(x, 1)),
        replace=lambda b, x: x,
        where=keeps_type,
    ),
    rule("x to the one is x", exact, match=lambda b, x: b.pow(x, 1), replace=lambda b, x: x, where=keeps_type),
    rule("x and true is x", exact, match=lambda b, x: b.logical_and(x, True), replace=lambda b, x: x, where=keeps_type),
    rule(
        "x or false is x",
        exact,
        match=lambda b, x: b.any_of(b.logical_or(x, False), b.logical_xor(x, False)),
        replace=lambda b, x: x,
        where=keeps_type,
    ),
)

_UNARY: tuple[Rule, ...] = (
    rule(
        "an involution twice is nothing",
        exact,
        match=lambda b, x: b.any_of(*(getattr(b, f)(getattr(b, f)(x)) for f in _INVOLUTIONS)),
        replace=lambda b, x: x,
        shared=True,
    ),
    rule(
        "an idempotent op twice is once",
        exact,
        match=lambda b, x: b.any_of(*(getattr(b, f)(getattr(b, f)(x)) for f in _IDEMPOTENT)),
        replace=lambda b, root: root.inputs[0],
        shared=True,
    ),
    rule(
        "the absolute of minus x is that of x",
        exact,
        match=lambda b, x: b.abs(b.neg(x)),
        replace=lambda b, x: b.abs(x),
        where=lambda x: None if x.dtype.kind != "uint" else "minus x wraps around where there is no sign",
    ),
    rule(
        "the reciprocal of a square root is rsqrt",
        exact,
        match=lambda b, x: b.any_of(b.reciprocal(b.sqrt(x)), b.div(1, b.sqrt(x))),
        replace=lambda b, x: b.rsqrt(x),
        where=lambda root, x: keeps_type(x, root),
    ),
)

_BINARIES: tuple[Rule, ...] = (
    rule(
        "x plus minus y is x minus y",
        exact,
        match=lambda b, x, y: b.add(x, b.neg(y)),
        replace=lambda b, x, y: b.sub(x, y),
    ),
    rule(
        "x minus minus y is x plus y",
        exact,
        match=lambda b, x, y: b.sub(x, b.neg(y)),
        replace=lambda b, x, y: b.add(x, y),
    ),
    rule(
        "minus x times minus y is x times y",
        exact,
        match=lambda b, x, y: b.mul(b.neg(x), b.neg(y)),
        replace=lambda b, x, y: b.mul(x, y),
    ),
    rule(
        "x times minus one is minus x",
        exact,
        match=lambda b, x: b.mul(x, -1),
        replace=lambda b, x: b.neg(x),
        where=keeps_type,
    ),
    rule(
        "x squared is x times x",
        exact,
        match=lambda b, x: b.pow(x, 2),
        replace=lambda b, x: b.mul(x, x),
        where=keeps_type,
    ),
    rule(
        "x to the minus one is its reciprocal",
        exact,
        match=lambda b, x: b.pow(x, -1),
        replace=lambda b, x: b.reciprocal(x),
        where=lambda x, root: keeps_type(x, root) if x.dtype.is_float else "integers have no reciprocal",
    ),
    rule(
        "the extreme of x and x is x",
        exact,
        match=lambda b, x: b.any_of(b.maximum(x, x), b.minimum(x, x), b.logical_and(x, x), b.logical_or(x, x)),
        replace=lambda b, x: x,
    ),
    rule(
        "constants stand right",
        exact,
        match=lambda b, x, c: b.any_of(*(getattr(b, name)(b.const(c), x) for name in _COMMUTATIVE)),
        replace=lambda b, root: _same_op(b, root, *reversed(root.inputs)),
        where=_swapped,
    ),
    rule(
        "an elementwise op broadcasts by itself on its left",
        exact,
        match=lambda b, x, y, s: _any_binary(b, b.expand(x, shape=s), y),
        replace=lambda b, x, y, root: _same_op(b, root, *((x, y) if _expands(root, 0, x) else (y, x))),
        where=_broadcasts_anyway,
        shared=True,
    ),
    rule(
        "an elementwise op broadcasts by itself on its right",
        exact,
        match=lambda b, x, y, s: _any_binary(b, x, b.expand(y, shape=s)),
        replace=lambda b, x, y, root: _same_op(b, root, *((x, y) if _expands(root, 1, y) else (y, x))),
        where=_broadcasts_anyway,
        shared=True,
    ),
)


def _expands(root: Node, index: int, source: Value) -> bool:
    """Whether operand `index` is the expanded `source`: a commutative op may have matched the other way round."""
    maker = root.inputs[index].node
    return maker is not None and maker.op.name == "expand" and maker.inputs[0] is source


_SELECTIONS: tuple[Rule, ...] = (
    rule(
        "a choice of x and x is x",
        exact,
        match=lambda b, c, x: b.where(c, x, x),
        replace=lambda b, x: x,
        where=keeps_type,
    ),
    rule(
        "a choice by not c swaps",
        exact,
        match=lambda b, c, x, y: b.where(b.logical_not(c), x, y),
        replace=lambda b, c, x, y: b.where(c, y, x),
        shared=True,
    ),
    rule(
        "a choice by true is x",
        exact,
        match=lambda b, x, y: b.where(True, x, y),
        replace=lambda b, x: x,
        where=keeps_type,
    ),
    rule(
        "a choice by false is y",
        exact,
        match=lambda b, x, y: b.where(False, x, y),
        replace=lambda b, y: y,
        where=lambda y, root: keeps_type(y, root),
    ),
    rule("clip without bounds is nothing", exact, match=lambda b, x: b.clip(x), replace=lambda b, x: x),
    rule(
        "the greater of x and zero is relu",
        exact,
        match=lambda b, x: b.any_of(b.maximum(x, 0.0), b.clip(x, 0.0)),
        replace=lambda b, x: b.relu(x),
        where=keeps_type,
    ),
    rule(
        "the extremes of x and two scalars are clip",
        exact,
        match=lambda b, x, low, high: b.minimum(b.maximum(x, b.const(low)), b.const(high)),
        replace=lambda b, x, low, high: b.clip(x, low, high),
        where=lambda low, high, x, root: _scalars(low, high) or keeps_type(x, root),
    ),
    rule(
        "the lesser of relu and a scalar is clip",
        exact,
        match=lambda b, x, high: b.any_of(b.minimum(b.relu(x), b.const(high)), b.clip(b.relu(x), None, high)),
        replace=lambda b, x, high: b.clip(x, 0, high),
        where=lambda high, x, root: _scalars(high, high) or keeps_type(x, root),
    ),
)

_CASTS: tuple[Rule, ...] = (
    rule(
        "a cast to the same type is nothing",
        exact,
        match=lambda b, x, d: b.cast(x, dtype=d),
        replace=lambda b, x: x,
        where=keeps_type,
    ),
    rule(
        "a cast by way of a wider type is direct",
        exact,
        match=lambda b, x, d, e: b.cast(b.cast(x, dtype=d), dtype=e),
        replace=lambda b, x, e: b.cast(x, dtype=e),
        where=_fits,
        shared=True,
    ),
)

RULES: tuple[Rule, ...] = (*_CASTS, *_NEUTRAL, *_UNARY, *_BINARIES, *_SELECTIONS)
