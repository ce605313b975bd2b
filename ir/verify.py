"""The verifier: is this a well-formed program, and is every type the one its op infers?

It re-infers every type and compares, so a pass that forgets to update a type is caught at the node it forgot. An
error shows the node with its neighbourhood.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from isthmus.ir.dim import UNKNOWN, Symbol
from isthmus.ir.errors import IRError, VerifyError
from isthmus.ir.graph import Graph, Node, Use, Value
from isthmus.ir.types import TensorType

_NEIGHBOURS = 3


def verify(graph: Graph, nodes: Iterable[Node] | None = None) -> None:
    """Raise VerifyError unless `graph` is well formed. With `nodes`, look at those only: what a pass touched."""
    for node in graph.nodes if nodes is None else nodes:
        _check_node(graph, node)
    names = graph.output_names
    for kind, given in (("inputs", [v.name for v in graph.inputs]), ("outputs", names)):
        if repeated := [name for name in given if name and given.count(name) > 1]:
            raise VerifyError(f"two {kind} of @{graph.name} have the same name: {repeated[0]!r}")
    _check_symbols(graph)
    for i, value in enumerate(graph.outputs):
        if Use(graph, i) not in value._uses:
            raise VerifyError(f"output {names[i]!r} of @{graph.name} is missing from the uses of {value!r}")
        if not _stands_in(graph, value):
            raise VerifyError(f"output {names[i]!r} of @{graph.name} is {value!r}, which is not made in this graph")


def _check_symbols(graph: Graph) -> None:
    known: dict[str, Symbol] = {}
    for value in graph.inputs:
        for symbol in value.type.symbols():
            if known.setdefault(symbol.name, symbol) != symbol:
                raise VerifyError(f"symbol {symbol} of @{graph.name} has two ranges", where=f"input {value!r}")


def _check_node(graph: Graph, node: Node) -> None:
    if node.graph is not graph:
        _fail(graph, node, "node does not stand in this graph")
    for i, value in enumerate(node.operands):
        if value is None:
            continue
        if not _stands_in(graph, value):
            _fail(graph, node, f"operand {value!r} is not made in this graph")
        if value.node is not None and not value.node.is_before(node):
            _fail(graph, node, f"operand {value!r} is used before it is made")
        if Use(node, i) not in value._uses:
            _fail(graph, node, f"operand {i} is missing from the uses of {value!r}")
    if set(node.regions) != set(node.op.regions):
        _fail(graph, node, f"regions must be {list(node.op.regions)}, found {list(node.regions)}")
    for region in node.regions.values():
        verify(region)
    try:
        if node.op.bind_attributes(node.attrs) != node.attrs:
            _fail(graph, node, "attributes are not in normal form")
        inferred = node.op.infer_types([None if v is None else v.type for v in node.operands], node.attrs, node.regions)
    except VerifyError:
        raise
    except IRError as error:
        _fail(graph, node, error.reason)
    if len(inferred) != len(node.results):
        _fail(graph, node, f"has {len(node.results)} results, its op yields {len(inferred)}")
    for result, type in zip(node.results, inferred, strict=True):
        if not admits(type, result.type):
            _fail(graph, node, f"result {result!r} should have type {type}")


def admits(inferred: TensorType, declared: TensorType) -> bool:
    """Whether a result may be declared so: as inferred, with any size where only running can tell."""
    if inferred == declared:
        return True
    return (
        inferred.dtype == declared.dtype
        and inferred.rank == declared.rank
        and all(i in (UNKNOWN, d) for i, d in zip(inferred.shape, declared.shape, strict=True))
    )


def _stands_in(graph: Graph, value: Value) -> bool:
    return value.producer is graph if value.node is None else value.node.graph is graph


def _fail(graph: Graph, node: Node, reason: str) -> NoReturn:
    around: list[Node] = [node]
    before, after = node._prev, node._next
    for _ in range(_NEIGHBOURS):
        if before is not None:
            around.insert(0, before)
            before = before._prev
        if after is not None:
            around.append(after)
            after = after._next
    excerpt = "\n".join(f"{'->' if each is node else '  '} {each!r}" for each in around)
    where = f"@{graph.name}" + (f" ({node.loc})" if node.loc else "")
    raise VerifyError(f"{node.op.name}: {reason}\n{excerpt}", where=where)
