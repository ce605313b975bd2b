"""What conditions of rules ask more than once. Each returns None, or the reason to refuse."""

from __future__ import annotations

import math

from isthmus.ir.dim import equal
from isthmus.ir.graph import Node, Value
from isthmus.ir.types import DType


def keeps_type(x: Value, root: Node) -> str | None:
    """x may stand for the root's result."""
    return None if x.type == root.result.type else f"{x!r} is broadcast or cast to {root.result.type}"


def lossless(source: DType, target: DType) -> bool:
    """Whether every value of `source` is a value of `target`."""
    if source == target or source.name == "bool":
        return True
    if source.is_integer and target.is_integer:
        unsigned = source.kind == "uint"
        return source.bits < target.bits if target.kind == "int" else unsigned and source.bits <= target.bits
    if source.is_integer and target.is_float:
        return source.bits - (source.kind == "int") <= _MANTISSA.get(target.name, 0)
    return source.is_float and target.name in _WIDER.get(source.name, ())


_MANTISSA = {"f64": 53, "f32": 24, "f16": 11, "bf16": 8}
_WIDER = {
    "f8e4m3": ("f16", "bf16", "f32", "f64"),
    "f8e5m2": ("f16", "bf16", "f32", "f64"),
    "f16": ("f32", "f64"),
    "bf16": ("f32", "f64"),
    "f32": ("f64",),
}


def number(value: Value | None) -> float | None:
    """The number a constant of one element holds, or None."""
    if value is None or value.constant is None or value.type.numel() != 1:
        return None
    array = value.array
    return None if array is None else float(array.reshape(-1)[0])


def near(value: Value | None, wanted: float) -> str | None:
    """A constant of one element is `wanted` within a few roundings of its element type."""
    found = number(value)
    if found is None or value is None:
        return f"{value!r} is not one constant number"
    tolerance = {"f64": 1e-12, "f32": 1e-6, "f16": 2e-3, "bf16": 1e-2}.get(value.dtype.name, 0.0)
    return None if math.isclose(found, wanted, rel_tol=tolerance) else f"{found} is not {wanted:.9g}"


def vector_along(c: Value, axis_from_end: int, size: object) -> str | None:
    """c holds one element for each position of one axis, counted from the end, or one for all."""
    for i, d in enumerate(reversed(c.shape), 1):
        if d != 1 and not (i == axis_from_end and equal(d, size) is True):  # type: ignore[arg-type]
            return f"{c!r} varies along other axes than the channels"
    return None
