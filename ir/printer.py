"""The text of a graph. What is printed parses back to an equal graph, see `parser`.

Names are kept as they are where they are unique in their graph; values without one are called v0, v1, ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from isthmus.ir import inline
from isthmus.ir.constant import Constant
from isthmus.ir.dim import Dim, DimExpr, Symbol, symbols
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.op import Op
from isthmus.ir.spelling import WORDS, marked, plain, quote, symbol_name
from isthmus.ir.types import DType, TensorType

KEY_DIGITS = 16
"""How much of a constant's digest its name in text keeps."""


def print_graph(graph: Graph) -> str:
    """The graph as text. Constants of more than 16 elements appear as their hash: `dump` also writes their contents."""
    printer = _Printer()
    inputs, body = printer.body(graph, "")
    return "".join(("graph ", marked("@", graph.name), inputs, printer.bounds(), " ", *body, "\n"))


def constant_key(constant: Constant) -> str:
    """What a constant that is not spelled out is called in text and in the file beside it."""
    return constant.digest[:KEY_DIGITS]


class _Printer:
    def __init__(self) -> None:
        self._types: dict[TensorType, str] = {}
        self._symbols: dict[str, Symbol] = {}
        self._defaults: dict[tuple[str, str], str] = {}

    def bounds(self) -> str:
        """The `where` clause: symbols whose bounds are not 1 and more, in order of appearance."""
        unusual = [s for s in self._symbols.values() if s.low != 1 or s.high is not None]
        texts = [f"{symbol_name(s.name)}: {s.low}..{'' if s.high is None else s.high}" for s in unusual]
        return f" where {', '.join(texts)}" if texts else ""

    def body(self, graph: Graph, indent: str) -> tuple[str, list[str]]:
        """The inputs in brackets, and the pieces of the text from brace to brace."""
        names = _names(graph)
        inputs = f"({', '.join(self._typed(v, names) for v in graph.inputs)})"
        pieces = ["{\n"]
        for node in graph.nodes:
            self._node(node, names, indent + "  ", pieces)
        outputs = [
            names[v] if marked("%", name) == names[v] else f"{plain(name)}: {names[v]}"
            for v, name in zip(graph.outputs, graph.output_names, strict=True)
        ]
        pieces.append(f"{indent}  return {', '.join(outputs)}".rstrip())
        pieces.append(f"\n{indent}}}")
        return inputs, pieces

    def _node(self, node: Node, names: Mapping[Value, str], indent: str, pieces: list[str]) -> None:
        data = node.attrs.get("data")
        if isinstance(data, Constant):
            contents = inline.spell(data) or f"#{constant_key(data)}"
            pieces.append(f"{indent}{names[node.result]} = const {data.type} {contents}")
        else:
            results = ", ".join([self._typed(r, names) for r in node.results]) or "()"
            operands = ", ".join(["none" if v is None else names[v] for v in node.operands])
            pieces.append(f"{indent}{results} = {node.op.name}({operands})")
            pieces.append(self._attributes(node.op, node.attrs))
        if node.loc is not None:
            pieces.append(f"  {marked('@', node.loc.format)}({_quoted(node.loc.paths)})")
        if node.origin:
            pieces.append(f"  by({_quoted(node.origin)})")
        for key, region in node.regions.items():
            inputs, inner = self.body(region, indent)
            name = f"{marked('@', region.name)} " if region.name else ""
            pieces.append(f" {key} {name}{inputs} ")
            pieces += inner
        pieces.append("\n")

    def _typed(self, value: Value, names: Mapping[Value, str]) -> str:
        text = self._types.get(value.type)
        if text is None:
            text = self._types[value.type] = str(value.type)
            self._meet(value.type.shape)
        return f"{names[value]}: {text}"

    def _meet(self, dims: Iterable[Dim]) -> None:
        for dim in dims:
            for each in sorted(symbols(dim), key=str):
                self._symbols.setdefault(each.name, each)

    def _attributes(self, op: Op, attrs: Mapping[str, Any]) -> str:
        texts = []
        for name, value in attrs.items():
            spec = op.attributes[name]
            if value is spec.default:
                continue
            text = self._value(value)
            if spec.required or text != self._value(spec.default):
                texts.append(f"{name} = {text}")
        return f" {{{', '.join(texts)}}}" if texts else ""

    def _value(self, value: Any) -> str:
        if isinstance(value, tuple):
            return f"[{', '.join(map(self._value, value))}]"
        if isinstance(value, DimExpr):
            self._meet((value,))
            return str(value)
        if isinstance(value, str):
            return quote(value)
        if value is None or isinstance(value, bool):
            return next(word for word, meaning in WORDS.items() if meaning is value)
        if isinstance(value, int | float | DType):
            return str(value)
        raise TypeError(f"attribute values are not {type(value).__name__}")


def _names(graph: Graph) -> dict[Value, str]:
    """What each value is called, mark and quotes included. Inputs choose first: callers know them by name."""
    results = (r for node in graph.nodes for r in node.results)
    values = [*graph.inputs, *results]
    taken: set[str] = set()
    repeats: dict[str, int] = {}
    unnamed = 0
    names = {}
    for value in values:
        name = value.name
        if not name:
            while (name := f"v{unnamed}") in taken:
                unnamed += 1
        stem = name
        while name in taken:
            repeats[stem] = repeats.get(stem, 0) + 1
            name = f"{stem}.{repeats[stem]}"
        taken.add(name)
        names[value] = marked("%", name)
    return names


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(map(quote, texts))
