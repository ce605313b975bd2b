"""The order to read a graph's nodes in: as they stand where that is sound, else sorted by who needs whom."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from onnx import AttributeProto, GraphProto, NodeProto

from isthmus.ir.errors import MalformedModel

_SHOWN = 5


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """The bodies a node holds in its attributes."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def ordered(nodes: Sequence[NodeProto]) -> Sequence[NodeProto]:
    """The nodes so that each comes after those it takes values from. MalformedModel where they form a cycle."""
    makers = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    needs = [{makers[name] for name in _names_used(node) if name in makers} for node in nodes]
    if all(not before or max(before) < i for i, before in enumerate(needs)):
        return nodes
    users: list[list[int]] = [[] for _ in nodes]
    for i, before in enumerate(needs):
        for j in before:
            users[j].append(i)
    waiting = [len(before) for before in needs]
    ready = [i for i, count in enumerate(waiting) if not count]
    order: list[int] = []
    while ready:
        order.append(i := heapq.heappop(ready))
        for j in users[i]:
            waiting[j] -= 1
            if not waiting[j]:
                heapq.heappush(ready, j)
    if len(order) < len(nodes):
        stuck = [_label(node, i) for i, node in enumerate(nodes) if waiting[i]]
        shown = ", ".join(stuck[:_SHOWN]) + (", ..." if len(stuck) > _SHOWN else "")
        raise MalformedModel(f"the graph has a cycle: {shown} wait for each other", where=stuck[0])
    return [nodes[i] for i in order]


def _label(node: NodeProto, index: int) -> str:
    return f"onnx:{node.name or f'{node.op_type}_{index}'}"


def _names_used(node: NodeProto) -> set[str]:
    used = set(node.input)
    for body in subgraphs(node):
        used |= _free_names(body)
    return used


def _free_names(graph: GraphProto) -> set[str]:
    """The names a body takes from outside."""
    own = {v.name for v in graph.input}
    own |= {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    used = {v.name for v in graph.output}
    for node in graph.node:
        own.update(node.output)
        used |= _names_used(node)
    return used - own
