"""Emission tables: op name -> the function that writes the op in an engine's own API, or the reason there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any, TypeAlias, TypeVar

from isthmus.backends.base import SUPPORTED, Condition, Refused, Support
from isthmus.ir.errors import BackendFailed, IsthmusError
from isthmus.ir.graph import Graph, Node, Value

T = TypeVar("T")


@dataclass(frozen=True)
class Emission:
    """`function(network, *operands, **attributes)` writes the `ops`; `unless(node)` gives a reason not to."""

    ops: tuple[str, ...]
    function: Callable[..., Any]
    unless: Condition | None = None


@dataclass(frozen=True)
class Lacking:
    """Ops the engine has nothing for: name -> reason."""

    reasons: Mapping[str, str]


Row: TypeAlias = Emission | str
Table: TypeAlias = Mapping[str, Row]
"""Op name -> its emission, or the reason there is none."""


def emits(*ops: str, unless: Condition | None = None) -> Callable[[Callable[..., Any]], Emission]:
    """Decorator: the function writes these ops."""
    return lambda function: Emission(ops, function, unless)


def lacks(**reasons: str) -> Lacking:
    """Declares what the engine cannot express, with reasons a user can read. Names may end in an underscore."""
    return Lacking(MappingProxyType({name.rstrip("_"): reason for name, reason in reasons.items()}))


def collect(modules: Iterable[ModuleType]) -> Table:
    """The table of what `modules` define (not what they import); ValueError if two speak about one op."""
    table: dict[str, Row] = {}
    for module in modules:
        for item in vars(module).values():
            rows: Mapping[str, Row] = {}
            if isinstance(item, Emission) and item.function.__module__ == module.__name__:
                rows = dict.fromkeys(item.ops, item)
            elif isinstance(item, Lacking):
                rows = item.reasons
            if twice := sorted(table.keys() & rows.keys()):
                raise ValueError(f"{module.__name__} emits {', '.join(twice)} a second time")
            table.update(rows)
    return MappingProxyType(table)


def support(table: Table, node: Node) -> Support:
    """What the table says of a node."""
    row = table.get(node.op.name)
    if row is None:
        return Refused("no emission is written for this op")
    if isinstance(row, str):
        return Refused(row)
    reason = row.unless(node) if row.unless is not None else None
    return SUPPORTED if reason is None else Refused(reason)


def emit_nodes(
    graph: Graph,
    known: MutableMapping[Value, T],
    emit: Callable[[Node, Sequence[T | None]], Sequence[T]],
    engine: str,
) -> None:
    """Call `emit` for each node in order, adding results to `known`.

    Whatever the engine raises becomes BackendFailed. Errors without a place get the node and its source location.
    """
    for node in graph.nodes:
        operands = [None if v is None else known[v] for v in node.operands]
        try:
            results = emit(node, operands)
        except IsthmusError as error:
            error.where = error.where or _place(node)
            raise
        except Exception as error:
            raise BackendFailed(f"{engine} refused {node.op.name}: {brief(error)}", where=_place(node)) from error
        known.update(zip(node.results, results, strict=True))


def _place(node: Node) -> str:
    return f"{node!r}" + (f" ({node.loc})" if node.loc else "")


def brief(error: Exception) -> str:
    """The telling lines of an engine's error: those that are not source positions of the engine itself."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return " ".join(kept or lines)[:500]
