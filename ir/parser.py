"""From IR text to a graph. Every error tells file, line and column, and shows the line with a caret.

Types in the text are declarations: each is compared with what the node's op infers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

from lark import Token

from isthmus.ir import inline, ops
from isthmus.ir.constant import Constant
from isthmus.ir.errors import IsthmusError, TextError
from isthmus.ir.graph import Graph, Loc, Node, Value
from isthmus.ir.literals import Literals
from isthmus.ir.op import Op
from isthmus.ir.source import Source
from isthmus.ir.spelling import unmarked
from isthmus.ir.syntax import Attribute, Body, ConstantTree, NodeTree, Typed, parse_graph
from isthmus.ir.types import DType, TensorType
from isthmus.ir.verify import admits

ConstantSource: TypeAlias = Callable[[str, TensorType], Constant]
"""Finds the constant of a key and a type; raises TextError where there is none."""

_NEARBY = 500
"""How many of the latest names a did-you-mean looks at."""


def parse(text: str, *, constants: Mapping[str, Constant] | None = None, filename: str = "<text>") -> Graph:
    """The graph that `text` spells. `constants` are those named by hash, by their keys. Raises TextError."""
    known = constants or {}

    def find(key: str, type: TensorType) -> Constant:
        if key not in known:
            raise TextError(f"no constant #{key} is given", hint="read dumps with `load`, which opens the file beside")
        return known[key]

    return parse_with(text, find, filename)


def parse_with(text: str, find: ConstantSource, filename: str) -> Graph:
    """`parse` with constants from anywhere."""
    source = Source(text, filename)
    tree = parse_graph(source)
    reader = _Reader(Literals(source, tree.bounds or ()), find)
    return reader.graph(reader.name(tree.name), tree.inputs, tree.body)


class _Reader:
    def __init__(self, literals: Literals, find: ConstantSource) -> None:
        self._literals = literals
        self._find = find
        self._scopes: list[dict[str, Value]] = []

    def graph(self, name: str, inputs: Sequence[Typed], body: Body) -> Graph:
        """The graph, or the region, of these trees."""
        graph = Graph(name)
        scope: dict[str, Value] = {}
        self._scopes.append(scope)
        for each in inputs:
            value = graph.add_input(self._literals.type(each.type), self.name(each.name))
            self._define(each.name, value)
        for statement in body.statements:
            if isinstance(statement, ConstantTree):
                self._constant(graph, statement)
            else:
                self._node(graph, statement)
        values = [self._value(output.value) for output in body.outputs]
        names: dict[str, None] = {}
        for output in body.outputs:
            token = output.name or output.value
            name = self._output_name(token)
            if name in names:
                raise self._error(token, f"two outputs are called {name!r}")
            names[name] = None
        graph.set_outputs(values, list(names))
        self._scopes.pop()
        return graph

    def name(self, token: Token) -> str:
        """The name in a token with a mark."""
        try:
            return unmarked(token)
        except ValueError:
            raise self._error(token, "broken escape in a quoted name", "escapes are those of JSON") from None

    def _constant(self, graph: Graph, tree: ConstantTree) -> None:
        type = self._literals.type(tree.type)
        if not type.is_static:
            raise self._error(tree.type, f"a constant's sizes are numbers, not {type}")
        try:
            data = self._find(tree.data[1:], type) if tree.data.type == "HASH" else inline.read(type, tree.data)
        except TextError as error:
            raise self._error(tree.data, error.reason, error.hint) from None
        if data.type != type:
            raise self._error(tree.type, f"constant {tree.data} is {data.type}, not {type}")
        loc, origin = self._place(tree)
        node = Node(ops.TABLE["const"], (), {"data": data}, {}, (type,), (self.name(tree.name),), loc, origin)
        graph.insert(node)
        self._define(tree.name, node.result)

    def _node(self, graph: Graph, tree: NodeTree) -> None:
        op = self._op(tree.op)
        operands = [None if each.type == "NONE" else self._value(each) for each in tree.operands]
        while operands and operands[-1] is None:
            operands.pop()
        attrs = self._attributes(op, tree)
        regions = self._regions(op, tree)
        try:
            inferred = op.infer_types([None if v is None else v.type for v in operands], attrs, regions)
        except IsthmusError as error:
            raise self._error(tree.op, error.reason, error.hint) from None
        if len(inferred) != len(tree.results):
            at = tree.results[0].name if tree.results else tree.op
            raise self._error(at, f"{op.name} yields {len(inferred)} results, not {len(tree.results)}")
        types = [self._literals.type(each.type) for each in tree.results]
        for each, declared, found in zip(tree.results, types, inferred, strict=True):
            if not admits(found, declared):
                raise self._error(each.type, f"{each.name} is declared {declared}, but {op.name} yields {found}")
        loc, origin = self._place(tree)
        names = [self.name(each.name) for each in tree.results]
        node = graph.insert(Node(op, operands, attrs, regions, types, names, loc, origin))
        for each, value in zip(tree.results, node.results, strict=True):
            self._define(each.name, value)

    def _op(self, token: Token) -> Op:
        try:
            return ops.find(str(token))
        except IsthmusError as error:
            raise self._error(token, error.reason, error.hint) from None

    def _attributes(self, op: Op, tree: NodeTree) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for each in tree.attributes or ():
            if each.name in given:
                raise self._error(each.name, f"attribute {each.name} is given twice")
            given[str(each.name)] = self._attribute(op, each)
        try:
            return op.bind_attributes(given)
        except IsthmusError as error:
            named = [each.name for each in tree.attributes or () if _mentions(error.reason, each.name)]
            raise self._error(named[0] if named else tree.op, error.reason, error.hint) from None

    def _attribute(self, op: Op, tree: Attribute) -> Any:
        spec = op.attributes.get(tree.name)
        if spec is not None and spec.annotation is DType and isinstance(tree.value, Token):
            return self._literals.dtype(tree.value)
        return self._literals.value(tree.value)

    def _regions(self, op: Op, tree: NodeTree) -> dict[str, Graph]:
        regions: dict[str, Graph] = {}
        for each in tree.regions:
            if each.key not in op.regions or each.key in regions:
                hint = f"its regions are: {', '.join(op.regions) or 'none'}, each once"
                raise self._error(each.key, f"{op.name}: unexpected region {each.key}", hint)
            name = self.name(each.name) if each.name is not None else ""
            regions[str(each.key)] = self.graph(name, each.inputs, each.body)
        if missing := [key for key in op.regions if key not in regions]:
            raise self._error(tree.op, f"{op.name}: region {missing[0]} is missing")
        return regions

    def _place(self, tree: NodeTree | ConstantTree) -> tuple[Loc | None, tuple[str, ...]]:
        origin = tuple([self._literals.text(each) for each in tree.origin or ()])
        if tree.source is None:
            return None, origin
        format, *paths = tree.source
        return Loc(self.name(format), tuple([self._literals.text(each) for each in paths])), origin

    def _define(self, token: Token, value: Value) -> None:
        if value.name in self._scopes[-1]:
            raise self._error(token, f"{token} is defined already", "each name in a graph stands for one value")
        self._scopes[-1][value.name] = value

    def _value(self, token: Token) -> Value:
        name = self.name(token)
        scope = self._scopes[-1]
        if name in scope:
            return scope[name]
        if any(name in outer for outer in self._scopes[:-1]):
            hint = "a region sees its own values only: pass it as an operand of the node"
        else:
            near = get_close_matches(name, deque(scope, _NEARBY), n=1)
            hint = f"did you mean %{near[0]}?" if near else "values are defined before they are used"
        raise self._error(token, f"no value is called {token}", hint)

    def _output_name(self, token: Token) -> str:
        if token.type == "VALUE":
            return self.name(token)
        return self._literals.text(token) if token.type == "STRING" else str(token)

    def _error(self, at: Token, reason: str, hint: str = "") -> TextError:
        return self._literals.error(at, reason, hint)


def _mentions(reason: str, attribute: str) -> bool:
    return f"attribute {attribute} " in reason or f"attribute '{attribute}'" in reason
