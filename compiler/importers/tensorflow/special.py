"""The error function's kin, which are written in terms of it or as polynomials."""

from __future__ import annotations

import math

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.ir.graph import Value

# Coefficients of Giles' polynomials, that of the highest power first.
_CENTRE = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


@lowers("Erfc")
def erfc(b: TfBuilder, x: Value) -> Value:
    """1 - erf(x); written with a plus where x is negated, or scaled after it was, as gelu's definition is."""
    node = x.node
    if node is not None and node.op.name == "neg":
        return b.add(1.0, b.erf(node.inputs[0]))
    if node is not None and node.op.name == "mul":
        for i, each in enumerate(node.inputs):
            if each.node is not None and each.node.op.name == "neg":
                return b.add(1.0, b.erf(b.mul(each.node.inputs[0], node.inputs[1 - i])))
    return b.sub(1.0, b.erf(x))


@lowers("Erfinv")
def erfinv(b: TfBuilder, x: Value) -> Value:
    """Giles' polynomial in sqrt(-log(1 - x*x)), good to f32's precision (M. Giles, GPU Computing Gems, 2011)."""
    w = b.neg(b.log1p(b.neg(b.mul(x, x))))
    low = _polynomial(b, b.sub(w, 2.5), _CENTRE)
    high = _polynomial(b, b.sub(b.sqrt(b.maximum(w, 5.0)), 3.0), _TAIL)
    found = b.mul(b.where(b.less(w, 5.0), low, high), x)
    return b.where(b.equal(b.abs(x), 1.0), b.mul(x, math.inf), found)


def _polynomial(b: TfBuilder, x: Value, coefficients: tuple[float, ...]) -> Value:
    total: Value | float = coefficients[0]
    for each in coefficients[1:]:
        total = b.add(b.mul(x, total), each)
    assert isinstance(total, Value)
    return total
