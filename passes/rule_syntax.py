"""From the text of rules to its syntax tree. Leaves are lark tokens, which remember where they stand."""

from __future__ import annotations

import builtins
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeAlias

from lark import Lark, Token, Transformer
from lark.load_grammar import FromPackageLoader

from isthmus.ir.grammars import check_nesting, read
from isthmus.ir.source import Source


class Operation(NamedTuple):
    """`a + b - c`, `a * b / c`: operands with tokens between them."""

    parts: list[Any]


class Signed(NamedTuple):
    """`-x`."""

    sign: Token
    operand: Expression


class Indexed(NamedTuple):
    """`p[0]`."""

    whole: Expression
    indices: list[Expression]


class Call(NamedTuple):
    """`compose(p, q)`."""

    name: Token
    args: list[Expression]


class Items(NamedTuple):
    """`[p, 1]`."""

    items: list[Expression]


Expression: TypeAlias = Token | Operation | Signed | Indexed | Call | Items


class Attribute(NamedTuple):
    """`axis = a`."""

    name: Token
    value: Expression


class Others(NamedTuple):
    """`**k`."""

    name: Token


class Number(NamedTuple):
    """`0.5`, `-inf`, `true` as an operand."""

    sign: Token | None
    digits: Token


class Captured(NamedTuple):
    """`%x`, `const %w`, `optional %b`, `optional const %b`."""

    optional: Token | None
    const: Token | None
    name: Token


class Rest(NamedTuple):
    """`*%xs`."""

    name: Token


OperandTree: TypeAlias = Token | Captured | Number | Rest


class Statement(NamedTuple):
    """`%y = softmax(%x) {axis = a}`."""

    results: list[Token]
    op: Token
    operands: list[OperandTree]
    attributes: list[Attribute | Others] | None


class Body(NamedTuple):
    """Statements, then what they return."""

    statements: list[Statement]
    returned: Token
    values: list[Token]


class Condition(NamedTuple):
    """`not constant(%x)`, `rank(%x) == 2`."""

    negated: Token | None
    left: Expression
    relation: Token | None
    right: Expression | None


class Where(NamedTuple):
    """`where rank(%x) == 2 else "not a matrix"`."""

    condition: Condition
    reason: Token


class RuleTree(NamedTuple):
    """A whole rule."""

    name: Token
    exactness: Token
    shared: Token | None
    matches: list[Body]
    wheres: list[Where]
    replace: Body


def read_rules(source: Source) -> list[RuleTree]:
    """The trees of a whole text. Raises TextError."""
    check_nesting(source)
    trees: list[RuleTree] = read(_grammar(), source, "rules", source.text, 0)
    return trees


def first_token(tree: Any) -> Token:
    """Where a tree stands in its text."""
    while not isinstance(tree, Token):
        tree = next(part for part in tree if part is not None)
    return tree


def _items(children: list[Any]) -> list[Any]:
    return children


def _only(children: list[Any]) -> Any:
    return children[0]


class _Trees(Transformer[Token, Any]):
    """Gives each rule of the grammar its tree while the text is parsed."""

    rule = RuleTree._make
    where = Where._make
    condition = Condition._make
    statement = Statement._make
    attribute = Attribute._make
    others = Others._make
    number = Number._make
    captured = Captured._make
    rest = Rest._make
    signed = Signed._make
    call = Call._make
    sum = product = staticmethod(lambda children: Operation(children))
    list = staticmethod(lambda children: Items(children))
    match = replace = staticmethod(_only)
    rules = matches = wheres = values = operands = attributes = list_of = staticmethod(_items)

    @staticmethod
    def body(children: builtins.list[Any]) -> Body:
        *statements, returned, values = children
        return Body(statements, returned, values)

    @staticmethod
    def indexed(children: builtins.list[Any]) -> Indexed:
        return Indexed(children[0], children[1:])


@cache
def _grammar() -> Lark:
    return Lark(
        files(__package__).joinpath("rule_text.lark").read_text("utf-8"),
        parser="lalr",
        start=["rules"],
        transformer=_Trees(),
        import_paths=[FromPackageLoader("isthmus.ir")],
    )
