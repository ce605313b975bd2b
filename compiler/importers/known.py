"""What is known of small tensors while a model is read: numbers, or dimension expressions.

Source formats compute shapes, axes and branch conditions with ordinary ops. This works such values out on demand, so
that they become attributes. Beyond `isthmus.ir.contents` it also sees floats, comparisons and selections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from isthmus.ir.dim import Dim, DimExpr, bounds, equal, floordiv, less_equal, maximum, minimum
from isthmus.ir.errors import DimensionError, EvaluationError
from isthmus.ir.evaluate import evaluate_node
from isthmus.ir.graph import Node, Value
from isthmus.ir.op import Trait
from isthmus.ir.types import Array

MAX_ELEMENTS = 1024
"""Larger tensors are data, not parameters."""

_HEAVY = ("nn", "image")
"""Families whose ops may need much memory for small operands and results, and compute no shapes."""


class Known:
    """Remembers what it worked out about the values of a growing graph."""

    def __init__(self) -> None:
        self._found: dict[Value, Array | None] = {}

    def numbers(self, value: Value) -> Array | None:
        """The contents if every element is a number, in the value's own element type."""
        found = self.of(value)
        return None if found is None or found.dtype == object else found

    def dims(self, value: Value) -> tuple[Dim, ...] | None:
        """The elements of an integer tensor, flattened, as dimensions."""
        found = self.of(value)
        return None if found is None or not value.dtype.is_integer else tuple(found.reshape(-1).tolist())

    def of(self, value: Value) -> Array | None:
        """Numbers, or an object array in which dimension expressions occur, or None if not all is known."""
        pending = [value]
        while pending:
            top = pending[-1]
            if top in self._found:
                pending.pop()
                continue
            sources = _sources(top)
            if any(v in self._found and self._found[v] is None for v in sources):
                self._found[top] = None
            elif waiting := [v for v in sources if v not in self._found]:
                pending.append(waiting[0])
            else:
                self._found[top] = self._work_out(top)
        return self._found[value]

    def _work_out(self, value: Value) -> Array | None:
        node = value.node
        if node is None or not _is_small(value):
            return None
        if node.op.name == "const":
            return value.array
        if node.op.name == "shape_of":
            return _tidy(np.array([*node.inputs[0].shape, None], object)[:-1])
        if node.op.name == "dims":
            return _tidy(np.array([*node.attrs["dims"], None], object)[:-1])
        if not _is_foldable(node):
            return None
        operands = [None if v is None else self._found[v] for v in node.operands]
        symbolic = any(a is not None and a.dtype == object for a in operands)
        return _symbolic(node, operands, value.index) if symbolic else _numeric(node, operands, value.index)


def _is_small(value: Value) -> bool:
    if not value.type.is_static:
        return False
    count = value.type.numel()
    return isinstance(count, int) and count <= MAX_ELEMENTS


def _is_foldable(node: Node) -> bool:
    if node.op.family in _HEAVY or node.regions or node.op.has(Trait.IMPURE):
        return False
    return bool(node.inputs) or node.op.name == "iota"


def _sources(value: Value) -> tuple[Value, ...]:
    node = value.node
    if node is None or not _is_small(value) or node.op.name == "shape_of" or not _is_foldable(node):
        return ()
    return node.inputs


def _numeric(node: Node, operands: Sequence[Array | None], index: int) -> Array | None:
    try:
        with np.errstate(all="ignore"):
            return evaluate_node(node, operands, {})[index]
    except (EvaluationError, DimensionError):
        return None  # what fails here fails at run time, with the op's own message


def _symbolic(node: Node, operands: Sequence[Array | None], index: int) -> Array | None:
    if not all(v.dtype.is_integer or v.dtype.kind == "bool" for v in (*node.inputs, *node.results)):
        return None
    meaning = _ON_DIMS.get(node.op.name) or (node.op.meaning if node.op.has(Trait.SYMBOLIC) else None)
    if meaning is None:
        return None
    objects = [a if a is None or a.dtype in (object, np.bool_) else _as_objects(a) for a in operands]
    indices = node.op.name == "gather" and operands[1] is not None
    if indices:
        objects[1] = operands[1]
    try:
        found = meaning(*objects, **node.attrs)
    except (TypeError, ValueError, DimensionError, IndexError):
        return None
    result = np.asarray(found[index] if node.op.several else found)
    if any(each is None for each in result.reshape(-1).tolist()):
        return None
    return result if result.dtype == np.bool_ else _tidy(result.astype(object))


def _tidy(objects: Array) -> Array:
    """Plain integers where no expression is among them."""
    symbolic = any(isinstance(each, DimExpr) for each in objects.reshape(-1).tolist())
    return objects if symbolic else objects.astype(np.int64)


def _as_objects(array: Array) -> Array:
    objects = np.empty(array.shape, object)
    objects.reshape(-1)[:] = array.reshape(-1).tolist()
    return objects


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(*operands: Array, **_: Any) -> Array:
        found = np.frompyfunc(function, len(operands), 1)(*operands)
        result = np.asarray(found, dtype=object)
        values = result.reshape(-1).tolist()
        return result.astype(np.bool_) if values and all(isinstance(v, bool) for v in values) else result

    return apply


def _negated(found: bool | None) -> bool | None:
    return None if found is None else not found


def _truncated(a: Dim, b: Dim) -> Dim | None:
    low, positive = bounds(a)[0], bounds(b)[0]
    if low is None or positive is None or low < 0 or positive < 1:
        return None
    return floordiv(a, b)


def _absolute(a: Dim) -> Dim | None:
    low = bounds(a)[0]
    return a if low is not None and low >= 0 else None


_ON_DIMS: dict[str, Callable[..., Any]] = {
    "equal": _each(equal),
    "not_equal": _each(lambda a, b: _negated(equal(a, b))),
    "less_equal": _each(less_equal),
    "greater_equal": _each(lambda a, b: less_equal(b, a)),
    "less": _each(lambda a, b: less_equal(a + 1, b)),
    "greater": _each(lambda a, b: less_equal(b + 1, a)),
    "minimum": _each(minimum),
    "maximum": _each(maximum),
    "trunc_div": _each(_truncated),
    "abs": _each(_absolute),
    "where": lambda condition, x, y: np.where(condition, x, y) if condition.dtype == np.bool_ else np.array(None),
    "expand": lambda x, *, shape: np.broadcast_to(x, shape),
    "transpose": lambda x, *, perm: np.transpose(x, perm),
}
"""Meanings on object arrays of dimensions for ops whose own meaning is numeric only; None where it is not known."""
