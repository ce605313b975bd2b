"""Transposes and reshapes that meet: pushed through what lies between them, composed and cancelled.

Each law leaves fewer nodes than it finds, so the set comes to rest.
"""

from __future__ import annotations

from typing import Any

from isthmus.ir import ops
from isthmus.ir.builder import Builder
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Node, Value
from isthmus.ir.op import Op, Trait
from isthmus.passes.pattern import AnyOf, Pattern
from isthmus.passes.pattern_builder import PatternBuilder
from isthmus.passes.rule import Rule, exact, rule
from isthmus.passes.rules.grouping import composed, moved_before, moved_behind


def _is_pointwise(row: Op, operands: int) -> bool:
    return row.has(Trait.ELEMENTWISE) and len(row.operands) == operands and not row.operands[-1].optional


_UNARY = [row.name for row in ops.TABLE.values() if _is_pointwise(row, 1)]
_BINARY = [row.name for row in ops.TABLE.values() if _is_pointwise(row, 2)]
_REDUCTIONS = [row.name for row in ops.TABLE.values() if list(row.attributes) == ["axes", "keepdims"]]


def _any_unary(b: PatternBuilder, x: Pattern, k: Any) -> AnyOf:
    return b.any_of(*(getattr(b, name)(x, **k) for name in _UNARY))


def _any_binary(b: PatternBuilder, x: Any, y: Any, k: Any) -> AnyOf:
    return b.any_of(*(getattr(b, name)(x, y, **k) for name in _BINARY))


def _any_product(b: PatternBuilder, x: Any, w: Any, bias: Any) -> AnyOf:
    """A product of the rows of x with a constant matrix."""
    return b.any_of(b.linear(x, b.const(w), b.optional(b.const(bias))), b.matmul(x, b.const(w)))


def _product(b: Builder, x: Value, w: Value, bias: Value | None) -> Value:
    return b.matmul(x, w) if bias is None else b.linear(x, w, bias)


def _maker(value: Value) -> Node:
    assert value.node is not None
    return value.node


# -- reshape and transpose -----------------------------------------------------------------------------


def _behind(x: Value, p: tuple[int, ...], s: tuple[Dim, ...], q: tuple[int, ...]) -> Any:
    return moved_behind(tuple(x.shape[i] for i in p), s, q)


def _torn(x: Value, p: tuple[int, ...], s: tuple[Dim, ...], q: tuple[int, ...]) -> str | None:
    return None if _behind(x, p, s, q) else f"perm {list(q)} tears apart what the reshape made of one dimension"


def _reshape_behind(b: Builder, x: Value, p: tuple[int, ...], s: tuple[Dim, ...], q: tuple[int, ...]) -> Value:
    perm, shape = _behind(x, p, s, q)
    return b.reshape(b.transpose(x, perm=composed(p, perm)), shape=shape)


def _reshape_before(b: Builder, x: Value, r: tuple[Dim, ...], p: tuple[int, ...], s: tuple[Dim, ...]) -> Value:
    found = moved_before(r, p, s)
    assert found is not None
    return b.transpose(b.reshape(x, shape=found[0]), perm=found[1])


# -- elementwise ops -----------------------------------------------------------------------------------


def _same_op(b: Builder, node: Node, *operands: Value) -> Value:
    return b.create(node.op, operands, node.attrs).result


def _inverse(perm: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(perm.index(i) for i in range(len(perm)))


def _under(b: Builder, c: Value, perm: tuple[int, ...]) -> Value:
    """c laid out so that transposing the result by `perm` is as if c had been used after the transpose."""
    whole = b.reshape(c, shape=(*[1] * (len(perm) - c.rank), *c.shape)) if 0 < c.rank < len(perm) else c
    return b.transpose(whole, perm=_inverse(perm)) if c.rank else c


def _with_constant(b: Builder, x: Value, c: Value, p: tuple[int, ...], q: tuple[int, ...], root: Node) -> Value:
    node = _maker(root.inputs[0])
    return _same_op(
        b, node, *(_under(b, c, _inverse(q)) if v is c else b.transpose(x, perm=composed(p, q)) for v in node.inputs)
    )


def _keeps_rank(root: Node, c: Value, p: tuple[int, ...]) -> str | None:
    return None if c.rank <= len(p) else f"{c!r} has more dimensions"


# -- rows of a product ---------------------------------------------------------------------------------


def _keeps_columns(root: Node, w: Value, x: Value, s: tuple[Dim, ...]) -> str | None:
    if w.rank != 2 or not s or s[-1] != w.shape[1] or root.inputs[0].rank < 2:
        return "the columns of the product do not stay the last dimension"
    return None


def _keeps_last(p: tuple[int, ...], q: tuple[int, ...], w: Value) -> str | None:
    last = len(p) - 1
    return None if w.rank == 2 and p[last] == q[last] == last else "a transpose moves the columns"


def _rows_behind(x: Value, p: tuple[int, ...], s: tuple[Dim, ...], q: tuple[int, ...], w: Value) -> str | None:
    if w.rank != 2 or len(q) < 2 or q[-1] != len(q) - 1:
        return "the transpose moves the columns"
    return _torn(x, p, s, q)


# -- reductions ----------------------------------------------------------------------------------------


def _keeps_order(p: tuple[int, ...], axes: tuple[int, ...]) -> str | None:
    left = [p[i] for i in range(len(p)) if i not in axes]
    return None if left == sorted(left) else "what is left stands in another order"


def _reduced(b: Builder, x: Value, p: tuple[int, ...], axes: tuple[int, ...], root: Node) -> Value:
    small = b.create(root.op, [x], {"axes": tuple(sorted(p[i] for i in axes)), "keepdims": False}).result
    return b.reshape(small, shape=root.result.shape) if root.attrs["keepdims"] else small


RULES: tuple[Rule, ...] = (
    rule(
        "a reshape between transposes moves behind them",
        exact,
        match=lambda b, x, p, s, q: b.transpose(b.reshape(b.transpose(x, perm=p), shape=s), perm=q),
        replace=_reshape_behind,
        where=_torn,
    ),
    rule(
        "a transpose between reshapes moves behind them",
        exact,
        match=lambda b, x, r, p, s: b.reshape(b.transpose(b.reshape(x, shape=r), perm=p), shape=s),
        replace=_reshape_before,
        where=lambda r, p, s: None if moved_before(r, p, s) else "the reshape joins what the transpose moved together",
    ),
    rule(
        "transposes around a unary op compose",
        exact,
        match=lambda b, x, p, q, k: b.transpose(_any_unary(b, b.transpose(x, perm=p), k), perm=q),
        replace=lambda b, x, p, q, root: _same_op(b, _maker(root.inputs[0]), b.transpose(x, perm=composed(p, q))),
    ),
    rule(
        "transposes around an op with a constant compose",
        exact,
        match=lambda b, x, c, p, q, k: b.transpose(
            b.any_of(
                _any_binary(b, b.transpose(x, perm=p), b.const(c), k),
                _any_binary(b, b.const(c), b.transpose(x, perm=p), k),
            ),
            perm=q,
        ),
        replace=_with_constant,
        where=_keeps_rank,
    ),
    rule(
        "one transpose serves both operands",
        exact,
        match=lambda b, x, y, p, k: _any_binary(b, b.transpose(x, perm=p), b.transpose(y, perm=p), k),
        replace=lambda b, x, y, p, root: b.transpose(
            _same_op(b, root, *(_maker(v).inputs[0] for v in root.inputs)), perm=p
        ),
    ),
    rule(
        "a reduction reads through a transpose",
        exact,
        match=lambda b, x, p, axes, keep: b.any_of(
            *(getattr(b, name)(b.transpose(x, perm=p), axes=axes, keepdims=keep) for name in _REDUCTIONS)
        ),
        replace=_reduced,
        where=_keeps_order,
        shared=True,
    ),
    rule(
        "reshapes around a unary op are the last one",
        exact,
        match=lambda b, x, r, s, k: b.reshape(_any_unary(b, b.reshape(x, shape=r), k), shape=s),
        replace=lambda b, x, s, root: _same_op(b, _maker(root.inputs[0]), b.reshape(x, shape=s)),
    ),
    rule(
        "reshapes around a product of rows are the last one",
        exact,
        match=lambda b, x, w, bias, r, s: b.reshape(_any_product(b, b.reshape(x, shape=r), w, bias), shape=s),
        replace=lambda b, x, w, bias, s: _product(b, b.reshape(x, shape=(*s[:-1], w.shape[0])), w, bias),
        where=_keeps_columns,
    ),
    rule(
        "transposes around a product of rows compose",
        exact,
        match=lambda b, x, w, bias, p, q: b.transpose(_any_product(b, b.transpose(x, perm=p), w, bias), perm=q),
        replace=lambda b, x, w, bias, p, q: _product(b, b.transpose(x, perm=composed(p, q)), w, bias),
        where=_keeps_last,
    ),
    rule(
        "moves around a product of rows meet before it",
        exact,
        match=lambda b, x, w, bias, p, s, q: b.transpose(
            _any_product(b, b.reshape(b.transpose(x, perm=p), shape=s), w, bias), perm=q
        ),
        replace=lambda b, x, w, bias, p, s, q: _product(b, _reshape_behind(b, x, p, s, q), w, bias),
        where=_rows_behind,
    ),
)
