"""What stands after the last products of a graph. Its rounding reaches the outputs as it is; what a product takes in is
averaged over the many terms of its sums. A type of few digits is kept out of there, where that costs next to nothing.
"""

from __future__ import annotations

import math

from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.precision import Policy
from isthmus.passes.precision import policy

BARE = "no product after it evens its rounding out"
LAST = "the last product, and a small one: its rounding is the output's"

_SMALL = 1 / 32
"""A last product may stay high if it is at most this share of all multiplications."""


def exposed(graph: Graph) -> dict[Node, str]:
    """Nodes whose results reach an output without a product in between, and small last products, with reasons.

    Walking back from the outputs of a transformer, that is its whole residual stream: sums and norms, no products.
    """
    found = _bare(graph)
    products = [node for node in graph.nodes if _is_product(node)]
    last = _without_successor(graph)
    most = _SMALL * sum(map(_multiplications, products))
    found.update({node: LAST for node in products if node in last and _multiplications(node) <= most})
    return found


def _bare(graph: Graph) -> dict[Node, str]:
    found: dict[Node, str] = {}
    pending: list[Value] = list(graph.outputs)
    while pending:
        node = pending.pop().node
        if node is None or node in found or node.op.name == "const" or _is_product(node):
            continue
        found[node] = BARE
        pending += node.inputs
    return found


def _without_successor(graph: Graph) -> set[Node]:
    """Nodes from which no product is reached."""
    found: set[Node] = set()
    for node in graph.nodes_reversed:
        users = [user for result in node.results for user in result.users]
        if all(user in found and not _is_product(user) for user in users):
            found.add(node)
    return found


def _is_product(node: Node) -> bool:
    return node.op.precision.policy is Policy.LOW and policy.wants(node) is Policy.LOW


def _multiplications(node: Node) -> float:
    """How many, with every symbolic size taken as 1."""
    of_result = _elements(node.results[0])
    taken = node.inputs[1]
    if node.op.name in ("conv", "conv_transpose"):
        return of_result * _elements(taken) / max(_size(taken, 0), 1)
    return of_result * _size(node.inputs[0], -1)


def _elements(value: Value) -> float:
    return float(math.prod(_size(value, i) for i in range(value.rank)))


def _size(value: Value, axis: int) -> int:
    dim = value.shape[axis] if value.rank else 1
    return dim if isinstance(dim, int) else 1
