"""Constants, fills and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import Array, numpy_type
from tests.support.tensorrt.meaning import means
from tests.support.tensorrt.weights import weights_array

_SEED = 0


@means("IConstantLayer")
def constant(layer: Any) -> Array:
    """The weights in the layer's dims."""
    found = weights_array(layer.weights)
    dims = tuple(layer.shape)
    if found is None:
        return np.zeros(dims, numpy_type(layer.get_output(0).dtype))
    return found.reshape(dims)


@means("IShapeLayer")
def shape(layer: Any, x: Array) -> Array:
    """The operand's dims as i64."""
    return np.array(x.shape, np.int64)


@means("IFillLayer")
def fill(layer: Any, dims: Array | None = None, alpha: Array | None = None, beta: Array | None = None) -> Array:
    """An affine function of the indices, or random numbers.

    LINSPACE: alpha + sum of beta[i] * index[i] (NvInfer.h, FillOperation). A random fill has no numbers to compare:
    it draws from a seed of its own.
    """
    size = tuple(layer.shape) if dims is None else tuple(dims.tolist())
    first = np.asarray(layer.alpha if alpha is None else alpha)
    second = np.asarray(layer.beta if beta is None else beta)
    dtype = numpy_type(layer.to_type)
    if layer.operation.name == "LINSPACE":
        steps = second.reshape(-1) if len(size) else np.zeros(0, second.dtype)
        return np.asarray(sum((b * i for b, i in zip(steps, np.indices(size), strict=True)), first)).astype(dtype)
    rng = np.random.default_rng(_SEED)
    if layer.operation.name == "RANDOM_UNIFORM":
        return np.asarray(rng.uniform(float(first), float(second), size)).astype(dtype)
    return np.asarray(rng.normal(float(first), float(second), size)).astype(dtype)
