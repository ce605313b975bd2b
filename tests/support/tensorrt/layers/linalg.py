"""Matrix products. Narrow floats accumulate in f32."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import Array, wide
from tests.support.tensorrt.meaning import means


@means("IMatrixMultiplyLayer")
def matrix_multiply(layer: Any, a: Array, b: Array) -> Array:
    """Products of matrices, row vectors (first operand) and column vectors (second), broadcast over the rest."""
    left, right = _matrix(wide(a), layer.op0.name, -2), _matrix(wide(b), layer.op1.name, -1)
    product: Array = np.matmul(left, right)
    gone = tuple(axis for axis, op in ((-2, layer.op0), (-1, layer.op1)) if op.name == "VECTOR")
    return product.squeeze(gone).astype(a.dtype)


def _matrix(x: Array, op: str, vector_axis: int) -> Array:
    if op == "VECTOR":
        return np.expand_dims(x, vector_axis)
    return x.swapaxes(-1, -2) if op == "TRANSPOSE" else x


@means("IEinsumLayer")
def einsum(layer: Any, *inputs: Array) -> Array:
    """Einstein's summation."""
    result = np.einsum(layer.equation.replace(" ", ""), *map(wide, inputs), optimize=True)
    return np.asarray(result).astype(inputs[0].dtype)
