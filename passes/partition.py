"""Splitting a graph into parts that run one after another, by a colour each node has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from isthmus.ir.dim import Symbol, as_symbol, symbols
from isthmus.ir.graph import Graph, Node, Value, dims_of


@dataclass(frozen=True)
class Part:
    """A piece of a graph as a graph of its own; `inputs` and `outputs` are the values of the whole they stand for."""

    color: str
    graph: Graph
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def partition(graph: Graph, color: Callable[[Node], str]) -> list[Part]:
    """The parts in the order they run: as few along any path as the colours allow.

    A part holds every node of one level, where a node's level is how often the colour changes on the way to it. Levels
    never decrease along an edge, so parts are convex and never wait for each other in a cycle. Constants have no
    colour: they are repeated in each part that uses them, sharing their contents.
    """
    colors = {node: color(node) for node in graph.nodes if node.op.name != "const"}
    levels = _levels(graph, colors)
    members: dict[int, list[Node]] = defaultdict(list)
    for node in colors:
        members[levels[node]].append(node)
    shown = _symbol_sources(graph)
    return [_part(colors[nodes[0]], nodes, shown) for _, nodes in sorted(members.items())]


def _levels(graph: Graph, colors: dict[Node, str]) -> dict[Node, int]:
    """The level of each coloured node; nodes of different colours never share one."""
    import networkx

    turns = {name: i for i, name in enumerate(dict.fromkeys(colors.values()))}
    flow = graph.to_networkx().subgraph(colors)
    levels: dict[Node, int] = {}
    for node in networkx.topological_sort(flow):
        before = max((levels[maker] for maker in flow.predecessors(node)), default=0)
        levels[node] = before + (turns[colors[node]] - before) % len(turns)  # level numbers go to colours in turn
    return levels


def _part(color: str, nodes: Sequence[Node], shown: dict[str, Value]) -> Part:
    members = set(nodes)
    made = [result for node in nodes for result in node.results]
    inputs = _inputs(nodes, set(made), shown)
    outputs = [v for v in made if any(use.user not in members for use in v.uses)]
    part = Graph(color)
    twins = {v: part.add_input(v.type, name) for v, name in zip(inputs, _input_names(inputs), strict=True)}
    for node in _with_constants(nodes):
        twin = part.insert(node.clone(twins))
        twins.update(zip(node.results, twin.results, strict=True))
    part.set_outputs([twins[v] for v in outputs], [f"out{i}" for i in range(len(outputs))])
    return Part(color, part, tuple(inputs), tuple(outputs))


def _input_names(inputs: Sequence[Value]) -> list[str]:
    """The whole's own inputs keep their names, by which options speak of them."""
    own = {v.name for v in inputs if v.node is None}
    fresh = (name for name in map("in{}".format, count()) if name not in own)
    return [v.name if v.node is None else next(fresh) for v in inputs]


def _inputs(nodes: Sequence[Node], made: set[Value], shown: dict[str, Value]) -> list[Value]:
    """What the part reads from outside, and values passed along only because they show a size it needs."""
    read = dict.fromkeys(v for node in nodes for v in node.inputs if v not in made and v.constant is None)
    needed = {s for v in (*read, *made) for s in v.type.symbols()}
    needed |= {s for node in nodes for dim in dims_of(node.attrs) for s in symbols(dim)}
    known = {s.name for v in (*read, *made) for s in _plain_symbols(v)}
    missing = sorted(s.name for s in needed if s.name not in known and s.name in shown)
    return list(read | dict.fromkeys(shown[name] for name in missing))


def _with_constants(nodes: Iterable[Node]) -> Iterator[Node]:
    seen: set[Node] = set()
    for node in nodes:
        for value in node.inputs:
            if value.constant is not None and value.node is not None and value.node not in seen:
                seen.add(value.node)
                yield value.node
        yield node


def _symbol_sources(graph: Graph) -> dict[str, Value]:
    """For each symbol the first value with a dimension that is just this symbol."""
    shown: dict[str, Value] = {}
    for value in (*graph.inputs, *(r for node in graph.nodes for r in node.results)):
        for symbol in _plain_symbols(value):
            shown.setdefault(symbol.name, value)
    return shown


def _plain_symbols(value: Value) -> list[Symbol]:
    return [s for s in map(as_symbol, value.shape) if s is not None]
