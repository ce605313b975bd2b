"""What the engine can know of integers before it runs: it computes the sizes of tensors from them."""

from __future__ import annotations

from isthmus.ir.graph import Value

_ARITHMETIC = frozenset(("cast", "reshape", "slice", "gather", "concat", "add", "sub", "mul", "minimum", "maximum"))


def is_shape_value(value: Value) -> bool:
    """Whether a value is computed from shapes, constants and integer inputs alone, whose ranges the engine can be
    told.
    """
    if not value.dtype.is_integer:
        return False
    node = value.node
    if node is None or value.array is not None:
        return True
    return node.op.name in ("dims", "shape_of") or (
        node.op.name in _ARITHMETIC and all(map(is_shape_value, node.inputs))
    )
