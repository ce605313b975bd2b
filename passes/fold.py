"""Constant folding: nodes whose operands are all constant are evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from isthmus.ir.builder import Builder
from isthmus.ir.constant import Constant
from isthmus.ir.errors import EvaluationError
from isthmus.ir.evaluate import evaluate_node
from isthmus.ir.graph import Graph, Node, Value, dims_of
from isthmus.ir.op import Trait
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.dce import erase_dead

LIMIT = 256 * 1024
"""A folded result may have this many bytes, or a tenth more than its operands: folding must not bloat a model.

What a model works out from small tables once a layer, as biases by relative position, is below it.
"""

_GROWTH = 1.1
_SPREADING = {"expand", "full", "tile", "iota", "random_uniform", "random_normal"}
_SPREAD_LIMIT = 16 * 1024

_PASSING = 16 * 1024 * 1024
"""A result that only something foldable reads may have this many bytes in between."""


@dataclass(frozen=True)
class Fold(Pass):
    """Evaluates nodes whose operands are all constant, unless the result is large and larger than they are.

    A large result that ends in a small one, as the hidden layer of a network over a table of positions does, is
    evaluated with what it ends in.
    """

    name: ClassVar[str] = "fold"
    limit: int = LIMIT

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Visits every node once, so that whole chains fold."""
        changed = False
        large: dict[Value, int] = {}
        """Results that wait for what they end in, and the bytes of the constants they are made of."""
        for node in graph.nodes:
            for region in node.regions.values():
                changed |= self.run(region, ctx)
            if node.op.name == "const" or not all(v in large or v.constant is not None for v in node.inputs):
                continue
            given = sum(large[v] if v in large else _bytes(v) for v in node.inputs)
            if why_not(node, self.limit, given) is None:
                for each in (*_before(node, large), node):
                    changed |= _fold(graph, each)
            elif _may_pass(node):
                large[node.result] = given
        return changed


def _may_pass(node: Node) -> bool:
    """Whether a node that is not folded for its size alone can wait for the one that reads it."""
    return _impossible(node) is None and len(node.results) == 1 == len(node.result.uses) and _made(node) <= _PASSING


def _before(node: Node, large: Mapping[Value, int]) -> list[Node]:
    """The nodes that wait for this one, in order."""
    found: list[Node] = []
    pending = [node]
    while pending:
        waiting = [v.node for v in pending.pop().inputs if v in large]
        pending += [each for each in waiting if each is not None]
        found += [each for each in waiting if each is not None]
    return found[::-1]


def fold_node(graph: Graph, node: Node, limit: int = LIMIT) -> bool:
    """Replace `node` by constants if its operands are constant and it stays small; returns whether it did.

    The constants may share memory with the operands: a reshaped weight is not copied.
    """
    if node.op.name == "const" or any(v.constant is None for v in node.inputs):
        return False
    if why_not(node, limit, sum(map(_bytes, node.inputs))) is not None:
        return False
    return _fold(graph, node)


def _fold(graph: Graph, node: Node) -> bool:
    """Replace a node whose operands are constant, whatever its size."""
    if any(v.constant is None for v in node.inputs):
        return False  # what it waited for failed
    operands = [None if v is None else v.array for v in node.operands]
    try:
        with np.errstate(all="ignore"):
            arrays = evaluate_node(node, operands, {})
    except EvaluationError:
        return False  # it fails whenever it runs: leave that to the run, which can say where
    b = Builder(graph, before=node, loc=node.loc, origin=node.origin)
    for result, array in zip(node.results, arrays, strict=True):
        graph.replace_uses(result, b.const(Constant.of(array)))
    erase_dead(graph, [node])
    return True


def why_not(node: Node, limit: int, given: int) -> str | None:
    """Why a node made of constants of `given` bytes is not folded, or None."""
    if (reason := _impossible(node)) is not None:
        return reason
    made = _made(node)
    if made > max(_SPREAD_LIMIT, given) and node.op.name in _SPREADING:
        return f"{node.op.name} makes {made} bytes of {given}"
    if made > max(limit, _GROWTH * given):
        return f"the result has {made} bytes, its operands {given}"
    return None


def _impossible(node: Node) -> str | None:
    if node.regions or node.op.has(Trait.IMPURE):
        return f"{node.op.name} may do other things when it runs"
    if any(True for _ in dims_of(node.attrs)) or not all(r.type.is_static for r in node.results):
        return "sizes are known only when it runs"
    return None


def _made(node: Node) -> int:
    return sum(map(_bytes, node.results))


def _bytes(value: Value) -> int:
    size = value.type.nbytes()
    return size if isinstance(size, int) else 0
