"""Shape arithmetic resolved: what the contents of shape tensors say moves into attributes and types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from isthmus.ir.builder import Builder
from isthmus.ir.contents import Contents
from isthmus.ir.errors import IRError
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.types import I64, Array
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.dce import erase_dead
from isthmus.passes.refine import Refinement, builder_at
from isthmus.passes.static_forms import static_form

_DIRECT = ("const", "dims")
_LAW = "resolve-shapes"


@dataclass(frozen=True)
class ResolveShapes(Pass):
    """Turns dynamic_ ops whose sizes are known into static ones, and other known shape tensors into constants or dims.

    Sizes that only running could tell become what they turn out to be, in every type and attribute after.
    """

    name: ClassVar[str] = "resolve-shapes"

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Visits every node once, in order."""
        changed = self._make_static(graph, ctx)
        return _spell_out(graph) or changed

    def _make_static(self, graph: Graph, ctx: PassContext) -> bool:
        refinement, contents = Refinement(graph), Contents()
        changed = False
        for node in graph.nodes:
            if any([self.run(region, ctx) for region in node.regions.values()]):  # noqa: C419 - all of them
                refinement.revisit(node)
            now = refinement.visit(node)
            changed |= now is not None
            now = now or node
            if now.op.name.startswith("dynamic_") and (new := _static(graph, now, contents)) is not None:
                refinement.replace(now.result, new)
                erase_dead(graph, [now])
                changed = True
        return changed


def _static(graph: Graph, node: Node, contents: Contents) -> Value | None:
    try:
        return static_form(builder_at(graph, node, _LAW), node, contents)
    except IRError:
        return None  # sizes that cannot be: running the program says so, at this node


def _spell_out(graph: Graph) -> bool:
    """Replace integer values whose contents are known, where somebody whose result is not known uses them."""
    contents = Contents()
    changed = False
    for node in graph.nodes:
        if node.op.name in _DIRECT or not any(r.dtype.is_integer and r.rank <= 2 for r in node.results):
            continue
        for result in node.results:
            known = contents.of(result) if result.use_count else None
            if known is None or _is_direct(node) or not _feeds_data(result, contents):
                continue
            if (new := _spelled(builder_at(graph, node, _LAW), result, known)) is not None:
                graph.replace_uses(result, new)
                changed = True
        erase_dead(graph, [node])
    return changed


def _is_direct(node: Node) -> bool:
    """A vector of dimensions seen as a scalar, or cast: the shortest way to say what it says."""
    while node.op.name in ("reshape", "cast"):
        maker = node.inputs[0].node
        if maker is None:
            return False
        node = maker
    return node.op.name == "dims"


def _feeds_data(value: Value, contents: Contents) -> bool:
    return any(
        isinstance(use.user, Graph) or any(contents.of(r) is None for r in use.user.results) for use in value.uses
    )


def _spelled(b: Builder, value: Value, known: Array) -> Value | None:
    flat = known.reshape(-1).tolist()
    if all(isinstance(d, int) for d in flat):
        return b.const(np.array(flat, np.int64).astype(value.dtype.numpy).reshape(known.shape))
    vector = b.dims(flat)
    cast = vector if value.dtype == I64 else b.cast(vector, dtype=value.dtype)
    return cast if value.rank == 1 else b.reshape(cast, shape=known.shape)
