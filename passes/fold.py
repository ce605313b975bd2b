"""Constant folding: nodes whose operands are all constant are evaluated."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Fold(Pass):
    """Evaluates nodes whose operands are all constant, unless the result is large and larger than they are."""

    name: ClassVar[str] = "fold"
    limit: int = LIMIT

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Visits every node once, so that whole chains fold."""
        changed = False
        for node in graph.nodes:
            for region in node.regions.values():
                changed |= self.run(region, ctx)
            changed |= fold_node(graph, node, self.limit)
        return changed


def fold_node(graph: Graph, node: Node, limit: int = LIMIT) -> bool:
    """Replace `node` by constants if its operands are constant; returns whether it did.

    The constants may share memory with the operands: a reshaped weight is not copied.
    """
    if node.op.name == "const" or any(v.constant is None for v in node.inputs):
        return False
    if why_not(node, limit) is not None:
        return False
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


def why_not(node: Node, limit: int) -> str | None:
    """Why a node with constant operands is not folded, or None."""
    if node.regions or node.op.has(Trait.IMPURE):
        return f"{node.op.name} may do other things when it runs"
    if any(True for _ in dims_of(node.attrs)) or not all(r.type.is_static for r in node.results):
        return "sizes are known only when it runs"
    made, given = (_bytes(values) for values in (node.results, node.inputs))
    if made > max(_SPREAD_LIMIT, given) and node.op.name in _SPREADING:
        return f"{node.op.name} makes {made} bytes of {given}"
    if made > max(limit, _GROWTH * given):
        return f"the result has {made} bytes, its operands {given}"
    return None


def _bytes(values: tuple[Value, ...]) -> int:
    total = 0
    for value in values:
        size = value.type.nbytes()
        total += size if isinstance(size, int) else 0
    return total
