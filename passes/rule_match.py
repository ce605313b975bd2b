"""The `match` block of a rule in text: from its statements to a pattern."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, TypeAlias

from lark import Token

from isthmus.ir import ops
from isthmus.ir.errors import IsthmusError, RuleError, TextError
from isthmus.ir.op import Op, coerce
from isthmus.passes.pattern import Const, Maybe, Number, OpPattern, Pattern, Rest, Var
from isthmus.passes.pattern_builder import op_pattern
from isthmus.passes.rule_expressions import Expressions, is_literal, is_word
from isthmus.passes.rule_syntax import Attribute, Body, Captured, OperandTree, Others, Statement, first_token
from isthmus.passes.rule_syntax import Number as NumberTree
from isthmus.passes.rule_syntax import Rest as RestTree

Kind: TypeAlias = Literal["%", "*%", "", "**", "root"]
"""What a name stands for: a value, the operands that are left, an attribute, the attributes that are left; or a result
of the root, which is about to be replaced and may only be asked about."""

MAX_PIECES = 128
"""How many nodes, operands and attributes a match may have: matching nests as deep."""


class MatchText(NamedTuple):
    """What a match block says: the pattern of its last node, what it captures, the names of that node's results."""

    pattern: OpPattern
    captured: Mapping[str, Kind]
    results: tuple[str, ...]


class MatchReader:
    """Reads one match block."""

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions
        self._captured: dict[str, Kind] = {}
        self._made: dict[str, OpPattern] = {}
        self._unused: dict[OpPattern, Token] = {}

    def read(self, body: Body) -> MatchText:
        """The match that a block spells. Raises TextError."""
        error = self._expressions.error
        if not body.statements:
            raise error(body.returned, "a match needs a node")
        if sum(1 + len(each.operands) + len(each.attributes or ()) for each in body.statements) > MAX_PIECES:
            raise error(body.returned, f"a match has more than {MAX_PIECES} nodes, operands and attributes")
        for statement in body.statements:
            pattern = self._statement(statement)
        last = [self._expressions.name(each) for each in body.statements[-1].results]
        if [self._expressions.name(each) for each in body.values] != last:
            raise error(body.values[0], f"a match returns all results of its last node: {', '.join(last)}")
        del self._unused[pattern]
        for token in self._unused.values():
            raise error(token, f"nothing in this match uses {token}", "a match is one node and what leads to it")
        return MatchText(pattern, self._captured, tuple(last))

    def _statement(self, statement: Statement) -> OpPattern:
        error = self._expressions.error
        op = find_op(self._expressions, statement)
        operands = [self._operand(each) for each in statement.operands]
        check_operands(self._expressions, op, statement)
        attributes = dict(self._attribute(op, each) for each in checked_attributes(self._expressions, op, statement))
        try:
            pattern = op_pattern(op, operands, attributes)
        except RuleError as broken:
            raise error(statement.op, broken.reason, broken.hint) from None
        for i, token in enumerate(statement.results):
            name = self._expressions.name(token)
            if name in self._made:
                raise error(token, f"{token} is defined already", "each name in a match stands for one value")
            if name in self._captured:
                raise error(token, f"{token} is used before it is defined")
            self._made[name] = pattern[i] if i else pattern
        self._unused[pattern] = statement.results[0]
        return pattern

    def _operand(self, tree: OperandTree) -> Pattern | None:
        if isinstance(tree, NumberTree):
            return Number(number(self._expressions, tree))
        if isinstance(tree, RestTree):
            return Rest(self._capture(tree.name, "*%"))
        if isinstance(tree, Token):
            return None
        return self._value(tree)

    def _value(self, tree: Captured) -> Pattern:
        made = self._made.get(self._expressions.name(tree.name))
        if made is not None:
            if tree.const is not None:
                raise self._expressions.error(tree.const, f"{tree.name} is made by {made.op.name}, not captured")
            self._unused.pop(made.node, None)
            return made if tree.optional is None else Maybe(made)
        variable = self._capture(tree.name, "%")
        pattern = variable if tree.const is None else Const(variable)
        return pattern if tree.optional is None else Maybe(pattern)

    def _attribute(self, op: Op, tree: Attribute | Others) -> tuple[str, Any]:
        if isinstance(tree, Others):
            return "**", self._capture(tree.name, "**")
        if isinstance(tree.value, Token) and tree.value.type == "NAME" and not is_word(tree.value):
            return str(tree.name), self._capture(tree.value, "")
        if not is_literal(tree.value):
            at = first_token(tree.value)
            raise self._expressions.error(at, "an attribute in a match is a name, which captures it, or a literal")
        return str(tree.name), literal(self._expressions, op, tree)

    def _capture(self, token: Token, kind: Kind) -> Var:
        name = self._expressions.name(token) if token.type == "VALUE" else str(token)
        if self._captured.setdefault(name, kind) != kind:
            raise self._expressions.error(token, f"{token} captures something of another kind already")
        return Var(name)


def askable(known: Mapping[str, Kind]) -> tuple[str, ...]:
    """The names that expressions may use."""
    return tuple(name for name, kind in known.items() if kind in ("%", "", "root"))


def find_op(expressions: Expressions, statement: Statement) -> Op:
    """The op a statement names; it must have as many results as there are names, and no regions."""
    try:
        op = ops.find(str(statement.op))
    except IsthmusError as error:
        raise expressions.error(statement.op, error.reason, error.hint) from None
    if op.regions or op.name == "const":
        raise expressions.error(statement.op, f"{op.name} cannot stand in a rule's text", "write the rule in Python")
    if len(statement.results) > 1 and not op.several:
        raise expressions.error(statement.results[1], f"{op.name} yields one result")
    return op


def check_operands(expressions: Expressions, op: Op, statement: Statement) -> None:
    """TextError for operands that are too many, or missing."""
    given = statement.operands
    variadic = bool(op.operands) and op.operands[-1].variadic
    for i, tree in enumerate(given):
        if isinstance(tree, RestTree) and not (variadic and i == len(given) - 1 and i >= len(op.operands) - 1):
            hint = "*%xs is the last operand of an op that takes any number"
            raise expressions.error(tree.name, f"{op.name} takes no *{tree.name} here", hint)
        if i >= len(op.operands) and not variadic:
            raise expressions.error(first_token(tree), f"{op.name} takes {len(op.operands)} operands")
        if isinstance(tree, Token) and not op.operand(i).optional:
            raise expressions.error(tree, f"{op.name}: operand {op.operand(i).name} is never absent")
    for spec in op.operands[len(given) :]:
        if not (spec.optional or spec.variadic):
            raise expressions.error(statement.op, f"{op.name}: operand {spec.name} is missing")


def checked_attributes(expressions: Expressions, op: Op, statement: Statement) -> list[Attribute | Others]:
    """A statement's attributes. TextError for those the op has not, or that are given twice."""
    seen: set[str] = set()
    trees = statement.attributes or []
    for tree in trees:
        name = "**" if isinstance(tree, Others) else str(tree.name)
        if name in seen:
            raise expressions.error(tree.name, f"{name} is given twice")
        seen.add(name)
        if name != "**" and name not in op.attributes:
            near = get_close_matches(name, op.attributes, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(op.attributes) or 'none'}"
            raise expressions.error(tree.name, f"{op.name} has no attribute {name!r}", hint)
    missing = [spec.name for spec in op.attributes.values() if spec.required and spec.name not in seen]
    if missing and "**" not in seen:
        hint = "say it, or let **k stand for all that is not said"
        raise expressions.error(statement.op, f"{op.name}: nothing is said of {', '.join(missing)}", hint)
    return trees


def literal(expressions: Expressions, op: Op, tree: Attribute) -> Any:
    """The value of an attribute that captures nothing."""
    try:
        value = expressions.literal(tree.value)
        return coerce(op.attributes[tree.name].annotation, value, f"{op.name}: attribute {tree.name}")
    except TextError:
        raise
    except IsthmusError as error:
        raise expressions.error(first_token(tree.value), error.reason, error.hint) from None


def number(expressions: Expressions, tree: NumberTree) -> float | bool:
    """The number that an operand spells."""
    found = expressions.literal(tree.digits) if is_literal(tree.digits) else None
    if isinstance(found, bool) and tree.sign is None:
        return found
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise expressions.error(tree.digits, f"{tree.digits} is no number", f"a value is written %{tree.digits}")
    return -found if tree.sign == "-" else found
