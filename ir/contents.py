"""What is known of small integer tensors: each element as a dimension expression.

This is how `shape_of -> gather -> concat -> reshape` chains become plain dimensions: an op with the SYMBOLIC trait
is evaluated by its own numpy meaning over object arrays of dimensions.
"""

from __future__ import annotations

import numpy as np

from isthmus.ir.dim import Dim, DimExpr
from isthmus.ir.graph import Node, Value
from isthmus.ir.op import Trait
from isthmus.ir.types import Array

MAX_ELEMENTS = 64
"""Larger tensors are data, not shapes."""


class Contents:
    """Remembers what it worked out; valid while the values it was asked about keep their meaning."""

    def __init__(self) -> None:
        self._known: dict[Value, Array | None] = {}

    def of(self, value: Value) -> Array | None:
        """An object array of ints and dimension expressions, or None if not all elements are known."""
        pending = [value]
        while pending:
            top = pending[-1]
            if top in self._known:
                pending.pop()
                continue
            waiting = [v for v in self._sources(top) if v not in self._known]
            if waiting:
                pending.extend(waiting)
                continue
            pending.pop()
            self._known[top] = self._work_out(top)
        return self._known[value]

    def dims(self, value: Value) -> tuple[Dim, ...] | None:
        """The elements of a vector (or of a scalar, as a tuple of one) as dimensions, or None."""
        known = self.of(value)
        return None if known is None else tuple(known.reshape(-1).tolist())

    def _sources(self, value: Value) -> tuple[Value, ...]:
        node = value.node
        return node.inputs if node is not None and _may_be_known(value) and _is_arithmetic(node) else ()

    def _work_out(self, value: Value) -> Array | None:
        node = value.node
        if node is None or not _may_be_known(value):
            return None
        if (array := value.array) is not None:
            return array.astype(object)
        if node.op.name == "shape_of":
            return _objects(node.inputs[0].shape, (node.inputs[0].rank,))
        if node.op.name == "dims":
            return _objects(node.attrs["dims"], (len(node.attrs["dims"]),))
        if not _is_arithmetic(node):
            return None
        operands = [None if v is None else self._known[v] for v in node.operands]
        if any(known is None and v is not None for known, v in zip(operands, node.operands, strict=True)):
            return None
        return _evaluate(node, operands, value.index)


def _may_be_known(value: Value) -> bool:
    if not (value.dtype.is_integer and value.type.is_static and value.rank <= 2):
        return False
    count = value.type.numel()
    return isinstance(count, int) and count <= MAX_ELEMENTS


def _is_arithmetic(node: Node) -> bool:
    return node.op.has(Trait.SYMBOLIC) and all(v.dtype.is_integer for v in node.inputs)


def _evaluate(node: Node, operands: list[Array | None], index: int) -> Array | None:
    try:
        found = node.op.meaning(*operands, **node.attrs)
    except (TypeError, ValueError):  # an attribute is itself symbolic where numpy needs a number
        return None
    result = np.asarray(found[index] if node.op.several else found, dtype=object)
    flat = result.reshape(-1).tolist()
    if not all(isinstance(each, int | DimExpr) for each in flat):
        return None
    return _objects(flat, result.shape)


def _objects(items: tuple[Dim, ...] | list[Dim], shape: tuple[int, ...]) -> Array:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)
