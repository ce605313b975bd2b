"""Structural equality of graphs: same inputs, nodes, attributes, constants, types and outputs, whatever the names."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

from isthmus.ir.graph import Graph, Node, Value


def difference(a: Graph, b: Graph, *, locations: bool = False) -> str | None:
    """The first difference in words, or None for equal graphs. `locations` also compares `loc` and `origin`."""
    twins: dict[Value, Value] = {}
    if [v.type for v in a.inputs] != [v.type for v in b.inputs]:
        return f"inputs {list(a.inputs)} and {list(b.inputs)}"
    twins.update(zip(a.inputs, b.inputs, strict=True))
    for left, right in zip(a.nodes, b.nodes, strict=False):
        if found := _node_difference(left, right, twins, locations):
            return f"{left!r} and {right!r}: {found}"
        twins.update(zip(left.results, right.results, strict=True))
    if len(a) != len(b):
        return f"{len(a)} nodes and {len(b)} nodes"
    if a.output_names != b.output_names:
        return f"outputs {a.output_names} and {b.output_names}"
    if [twins[v] for v in a.outputs] != list(b.outputs):
        return f"outputs {list(a.outputs)} and {list(b.outputs)}"
    return None


def exact_key(attribute: Any) -> Hashable:
    """Equal for attributes that mean the same: tells 0.0 from -0.0 and True from 1, and NaN is NaN."""
    if isinstance(attribute, tuple):
        return tuple(map(exact_key, attribute))
    if isinstance(attribute, float):
        return float, "nan" if math.isnan(attribute) else (attribute, math.copysign(1, attribute))
    return type(attribute), attribute


def _node_difference(a: Node, b: Node, twins: dict[Value, Value], locations: bool) -> str | None:
    if a.op is not b.op:
        return "other ops"
    if [None if v is None else twins.get(v) for v in a.operands] != list(b.operands):
        return "other operands"
    if any(exact_key(a.attrs[name]) != exact_key(b.attrs[name]) for name in a.op.attributes):
        return f"attributes {dict(a.attrs)} and {dict(b.attrs)}"
    if [r.type for r in a.results] != [r.type for r in b.results]:
        return "other types"
    if locations and (a.loc, a.origin) != (b.loc, b.origin):
        return f"locations {a.loc} {a.origin} and {b.loc} {b.origin}"
    for name in a.op.regions:
        if found := difference(a.regions[name], b.regions[name], locations=locations):
            return f"in region {name}: {found}"
    return None
