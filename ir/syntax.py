"""From IR text to its syntax tree: tokens and nesting, nothing of what they mean.

Leaves are lark tokens, which remember where they stand.
"""

from __future__ import annotations

import builtins
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeAlias

from lark import Lark, Token, Transformer

from isthmus.ir.grammars import check_nesting, read
from isthmus.ir.source import Source


class Typed(NamedTuple):
    """`%x: f32[N]`."""

    name: Token
    type: Token


class Bound(NamedTuple):
    """`N: 1..32`."""

    name: Token
    low: Token
    high: Token | None


class Output(NamedTuple):
    """`logits: %y`, or `%y`."""

    name: Token | None
    value: Token


class Sum(NamedTuple):
    """Terms with signs between them."""

    parts: list[Any]


class Product(NamedTuple):
    """Factors."""

    factors: list[Expression]


class Signed(NamedTuple):
    """`-x`."""

    sign: Token
    operand: Expression


class Call(NamedTuple):
    """`floordiv(N, 2)`."""

    name: Token
    args: list[Expression]


Expression: TypeAlias = Token | Sum | Product | Signed | Call
ValueTree: TypeAlias = "Expression | list[ValueTree]"


class Attribute(NamedTuple):
    """`axis = 1`."""

    name: Token
    value: ValueTree


class Body(NamedTuple):
    """Statements, then the outputs."""

    statements: list[NodeTree | ConstantTree]
    returned: Token
    outputs: list[Output]


class Region(NamedTuple):
    """`then (%a: f32[N]) { ... }`."""

    key: Token
    name: Token | None
    inputs: list[Typed]
    body: Body


class NodeTree(NamedTuple):
    """`%y: f32[N] = relu(%x) @onnx("a") by("b")`."""

    results: list[Typed]
    op: Token
    operands: list[Token]
    attributes: list[Attribute] | None
    source: list[Token] | None
    origin: list[Token] | None
    regions: list[Region]


class ConstantTree(NamedTuple):
    """`%w = const f32[2] [0.0, 1.0]`."""

    name: Token
    type: Token
    data: Token
    source: list[Token] | None
    origin: list[Token] | None


class GraphTree(NamedTuple):
    """A whole text."""

    name: Token
    inputs: list[Typed]
    bounds: list[Bound] | None
    body: Body


class TypeTree(NamedTuple):
    """`f32[N, 2*N + 1]`."""

    dtype: Token
    dims: list[Expression]


def parse_graph(source: Source) -> GraphTree:
    """The tree of a whole text. Raises TextError."""
    check_nesting(source)
    tree: GraphTree = read(_grammar(), source, "graph", source.text, 0)
    return tree


def parse_type(source: Source, token: Token) -> TypeTree:
    """The tree of a TYPE token of `source`. Its leaves count positions from the token's start."""
    tree: TypeTree = read(_grammar(), source, "type", str(token), token.start_pos or 0)
    return tree


def _items(children: list[Any]) -> list[Any]:
    return children


class _Trees(Transformer[Token, Any]):
    """Gives each rule its tree while the text is parsed, so that no other tree is made."""

    graph = GraphTree._make
    typed = Typed._make
    bound = Bound._make
    output = Output._make
    node = NodeTree._make
    constant = ConstantTree._make
    region = Region._make
    attribute = Attribute._make
    signed = Signed._make
    inputs = bounds = results = operands = attributes = source = origin = staticmethod(_items)
    regions = list = staticmethod(_items)

    @staticmethod
    def body(children: builtins.list[Any]) -> Body:
        *statements, (returned, outputs) = children
        return Body(statements, returned, outputs)

    @staticmethod
    def returned(children: builtins.list[Any]) -> tuple[Token, builtins.list[Output]]:
        return children[0], children[1:]

    @staticmethod
    def type(children: builtins.list[Any]) -> TypeTree:
        return TypeTree(children[0], children[1:])

    @staticmethod
    def call(children: builtins.list[Any]) -> Call:
        return Call(children[0], children[1:])

    @staticmethod
    def sum(children: builtins.list[Any]) -> Sum:
        return Sum(children)

    @staticmethod
    def product(children: builtins.list[Any]) -> Product:
        return Product(children)


@cache
def _grammar() -> Lark:
    return Lark(
        files(__package__).joinpath("grammar.lark").read_text("utf-8"),
        parser="lalr",
        start=["graph", "type"],
        transformer=_Trees(),
    )
