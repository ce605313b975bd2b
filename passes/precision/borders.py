"""Carrying a plan out: low nodes retyped, constants converted, and casts where a value crosses the border."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from isthmus.ir.builder import Builder
from isthmus.ir.constant import Constant
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.types import F32
from isthmus.passes.precision.guards import graphs
from isthmus.passes.precision.narrow import Narrow
from isthmus.passes.precision.plan import Plan

_ORIGIN = "lower-precision"


def carry_out(graph: Graph, plan: Plan) -> int:
    """Lower the nodes of the plan, in the graph and its regions; returns how many casts that took.

    Inputs and outputs, of regions too, keep their types.
    """
    return sum(_Border(each, plan).cross() for each in graphs(graph))


@dataclass
class _Border:
    graph: Graph
    plan: Plan
    casts: int = 0
    down: dict[tuple[Value, bool], Value] = field(default_factory=dict)
    up: dict[Value, Value] = field(default_factory=dict)

    def cross(self) -> int:
        """One walk in execution order, so that the types of operands are settled before their users are looked at."""
        lowered: set[Value] = set()
        converted: list[Node] = []
        for node in list(self.graph.nodes):
            if node not in self.plan.low:
                for i, value in enumerate(node.operands):
                    if value in lowered:
                        assert value is not None
                        self.graph.set_operand(node, i, self.raised(value))
                continue
            for i, value in enumerate(node.operands):
                if value is None or value.dtype != F32:
                    continue
                if value.constant is not None and value.node is not None:
                    converted.append(value.node)
                self.graph.set_operand(node, i, self.lowered(value, self.plan.masks.get(node) == i))
            for result in node.results:
                if result.dtype == F32:
                    self.graph.retype(result, result.type.with_dtype(self.plan.narrow.dtype))
                    lowered.add(result)
        outputs = [self.raised(v) if v in lowered else v for v in self.graph.outputs]
        self.graph.set_outputs(outputs, self.graph.output_names)
        for node in dict.fromkeys(converted):
            if not node.result.use_count:
                self.graph.erase(node)
        return self.casts

    def raised(self, value: Value) -> Value:
        """The value in f32, after its producer."""
        if value not in self.up:
            self.up[value] = self._after(value).cast(value, dtype=F32, name=_named(value, "f32"))
            self.casts += 1
        return self.up[value]

    def lowered(self, value: Value, mask: bool) -> Value:
        """The value in the narrow type, once for all users; a mask ends at a finite number."""
        if (value, mask) not in self.down:
            self.down[value, mask] = self._lowered(value, mask)
        return self.down[value, mask]

    def _lowered(self, value: Value, mask: bool) -> Value:
        narrow, b = self.plan.narrow, self._after(value)
        if value.constant is not None:
            return b.const(_converted(value.constant, narrow, mask), name=value.name)
        node = value.node
        if node is not None and node.op.name == "cast" and node.inputs[0].dtype == narrow.dtype:
            return node.inputs[0]
        self.casts += 1
        bounded = b.maximum(value, narrow.mask) if mask else value
        return b.cast(bounded, dtype=narrow.dtype, name=_named(value, str(narrow)))

    def _after(self, value: Value) -> Builder:
        node = value.node
        if node is None:
            return Builder(self.graph, before=next(self.graph.nodes, None), origin=(_ORIGIN,))
        return Builder(self.graph, before=node._next, loc=node.loc, origin=(*node.origin, _ORIGIN))


def _converted(constant: Constant, narrow: Narrow, mask: bool) -> Constant:
    """The constant in the narrow type, rounded when somebody looks at it."""

    def load() -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
        array = np.maximum(constant.array, np.float32(narrow.mask)) if mask else constant.array
        with np.errstate(over="ignore"):  # a bound beyond the type becomes an infinity
            return array.astype(narrow.dtype.numpy)

    return Constant(constant.type.with_dtype(narrow.dtype), load)


def _named(value: Value, suffix: str) -> str:
    return f"{value.name}_{suffix}" if value.name else ""
