"""Whether running a signature changes variables: such a model is no function of its inputs, and is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.compiler.importers.tensorflow.source import Body, SourceGraph, parse_ref
from isthmus.ir.errors import UnsupportedModel

_CHANGES = frozenset(
    (
        "Assign",
        "AssignAdd",
        "AssignSub",
        "AssignVariableOp",
        "AssignAddVariableOp",
        "AssignSubVariableOp",
        "LookupTableInsertV2",
        "ScatterAdd",
        "ScatterUpdate",
        "ResourceScatterAdd",
        "ResourceScatterNdAdd",
        "ResourceScatterNdUpdate",
        "ResourceScatterUpdate",
        "ResourceStridedSliceAssign",
    )
)


def refuse_changes(graph: SourceGraph, outputs: Iterable[str]) -> None:
    """UnsupportedModel that names an op that changes a variable, if computing the outputs would run one."""
    functions: set[str] = set()
    pending: list[tuple[Body, list[str]]] = [(graph.main, [parse_ref(text).node for text in outputs])]
    while pending:
        body, roots = pending.pop()
        for node in _reached(body, roots):
            if node.op in _CHANGES:
                where = f"tensorflow:{body.name}/{node.name}" if body.name else f"tensorflow:{node.name}"
                raise UnsupportedModel(
                    f"the signature changes variables: {node.name!r} is {node.op}",
                    where=where,
                    hint="export a signature that only computes, with state as inputs and outputs",
                )
            for name in _functions_of(node):
                if name not in functions:
                    functions.add(name)
                    called = graph.function(name)
                    ends = [parse_ref(text).node for text in called.results]
                    pending.append((called, [*ends, *called.effects]))


def _reached(body: Body, roots: Iterable[str]) -> Iterator[Message]:
    """The nodes that run when `roots` do, by data or by order."""
    seen: set[str] = set()
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name in seen or name not in body.nodes:
            continue
        seen.add(name)
        node = body.nodes[name]
        yield node
        pending += [parse_ref(text.removeprefix("^")).node for text in node.input]


def _functions_of(node: Message) -> Iterator[str]:
    for value in node.attr.values():
        kind = value.WhichOneof("value")
        if kind == "func":
            yield value.func.name
        elif kind == "list":
            yield from (func.name for func in value.list.func)
