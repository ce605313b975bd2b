"""TorchScript's graphs as torch holds them: methods, nodes and the ops they call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch

_SCHEMA = re.compile(r"(\w+)::(\w+)(?:\.(\w+))?\(")
_LINE_LENGTH = 160


def signature_of(script: Any) -> inspect.Signature:
    """What a script's forward, or a scripted function, takes."""
    if isinstance(script, torch.jit.ScriptFunction):
        return _signature(script.schema.arguments)
    return _signature(script._c._get_method("forward").schema.arguments[1:])


def _signature(arguments: Sequence[Any]) -> inspect.Signature:
    parameters = []
    for each in arguments:
        default = each.default_value if each.has_default_value() else inspect.Parameter.empty
        parameters.append(inspect.Parameter(each.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default))
    return inspect.Signature(parameters)


def graph_of(script: Any, method: str) -> Any:
    """The graph of a method; calls of plain functions are inlined, and then calls of submodules, too."""
    return inlined(script._c._get_method(method).graph)


def inlined(graph: Any) -> Any:
    """The graph itself, or where it calls functions a copy with their bodies in place."""
    if not any(node.kind() == "prim::CallFunction" for node in all_nodes(graph)):
        return graph
    graph = graph.copy()
    torch._C._jit_pass_inline(graph)
    return graph


def all_nodes(block: Any) -> Iterator[Any]:
    """Every node, those of blocks after the node that holds them."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from all_nodes(inner)


def overload_of(node: Any) -> Any | None:
    """The torch.ops overload that a node calls; None for ops of TorchScript's own."""
    match = _SCHEMA.match(str(node.schema()))
    packet = getattr(getattr(torch.ops, match[1]), match[2], None) if match else None
    return None if match is None or packet is None else getattr(packet, match[3] or "default", None)


def line_of(node: Any) -> str:
    """The source line of a node, as torch tells it."""
    frames = re.findall(r'File "([^"]*)", line (\d+)', node.sourceRange())
    if frames:
        return f"{frames[-1][0]}:{frames[-1][1]}"
    return " ".join(str(node.sourceRange()).split())[:_LINE_LENGTH]
