"""The `replace` block of a rule in text: from its statements to a function that builds nodes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from lark import Token

from isthmus.ir.builder import Builder
from isthmus.ir.graph import Value
from isthmus.ir.op import Op
from isthmus.passes.rule_expressions import Env, Expressions, Term, is_literal
from isthmus.passes.rule_match import Kind, askable, check_operands, checked_attributes, find_op, literal, number
from isthmus.passes.rule_syntax import Attribute, Body, Number, OperandTree, Others, Rest, Statement

Build = Callable[[Builder, Env], Sequence[Value]]


class ReplaceReader:
    """Reads one replace block. `known` names may be used in it; those of `captured` may not be defined again."""

    def __init__(self, expressions: Expressions, captured: Collection[str], known: Mapping[str, Kind]) -> None:
        self._expressions = expressions
        self._taken = set(captured)
        self._known = dict(known)

    def read(self, body: Body, count: int) -> Build:
        """What builds the block's nodes and returns the values that replace `count` results. Raises TextError."""
        steps = [self._statement(each) for each in body.statements]
        if len(body.values) != count:
            raise self._expressions.error(body.returned, f"the match returns {count} values, not {len(body.values)}")
        returned = [self._use(each) for each in body.values]

        def build(b: Builder, env: Env) -> list[Value]:
            names = dict(env)
            for step in steps:
                names.update(step(b, names))
            return [_present(names[name], name) for name in returned]

        return build

    def _statement(self, statement: Statement) -> Callable[[Builder, Env], Env]:
        op = find_op(self._expressions, statement)
        operands = [self._operand(each) for each in statement.operands]
        check_operands(self._expressions, op, statement)
        attributes = [self._attribute(op, each) for each in checked_attributes(self._expressions, op, statement)]
        names = [self._define(each) for each in statement.results]

        def build(b: Builder, env: Env) -> Env:
            given: list[Any] = [value for operand in operands for value in operand(env)]
            node = b.create(op, given, {name: value for each in attributes for name, value in each(env).items()})
            if len(node.results) < len(names):
                raise ValueError(f"{op.name} yields {len(node.results)} results, not {len(names)}")
            return dict(zip(names, node.results, strict=False))

        return build

    def _operand(self, tree: OperandTree) -> Term:
        """What gives a list of operands."""
        if isinstance(tree, Number):
            value = number(self._expressions, tree)
            return lambda env: (value,)
        if isinstance(tree, Token):
            return lambda env: (None,)
        if isinstance(tree, Rest):
            name = self._use(tree.name, "*%")
            return lambda env: env[name]
        if mark := tree.optional or tree.const:
            raise self._expressions.error(mark, f"{mark} says something of a match: here it has no meaning")
        name = self._use(tree.name)
        return lambda env: (env[name],)

    def _attribute(self, op: Op, tree: Attribute | Others) -> Callable[[Env], Env]:
        """What gives attributes by name."""
        if isinstance(tree, Others):
            others = self._use(tree.name, "**")
            return lambda env: env[others]
        name = str(tree.name)
        if is_literal(tree.value):
            value = literal(self._expressions, op, tree)
            return lambda env: {name: value}
        term = self._expressions.term(tree.value, askable(self._known))
        return lambda env: {name: term(env)}

    def _define(self, token: Token) -> str:
        name = self._expressions.name(token)
        if name in self._taken:
            raise self._expressions.error(token, f"{token} is defined already", "give the new value a name of its own")
        self._taken.add(name)
        self._known[name] = "%"
        return name

    def _use(self, token: Token, kind: Kind = "%") -> str:
        name = str(token) if token.type == "NAME" else self._expressions.name(token)
        if self._known.get(name) != kind:
            raise self._expressions.unknown(token, name, [n for n, k in self._known.items() if k == kind])
        return name


def _present(value: Any, name: str) -> Value:
    if not isinstance(value, Value):
        raise TypeError(f"{name} is no value that could be returned")
    return value
