"""Activation functions. Any shape; NaN stays NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from isthmus.ir.op import ELEMENTWISE, Float, Num, Trait, op
from isthmus.ir.ops.elementwise import erf_array
from isthmus.ir.ops.infer import along_axis, elementwise, like
from isthmus.ir.precision import WIDE
from isthmus.ir.types import Array

if TYPE_CHECKING:
    from isthmus.ir.builder import Builder
    from isthmus.ir.graph import Value

_COMPOSITE = ELEMENTWISE | {Trait.COMPOSITE}


@op(infer=like(), traits=ELEMENTWISE)
def relu(x: Num) -> Array:
    """max(x, 0)."""
    return np.maximum(x, np.zeros((), x.dtype))


@op(infer=like(), traits=ELEMENTWISE)
def sigmoid(x: Float) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    tail = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, tail) / (1 + tail)


@op(infer=like(), traits=ELEMENTWISE)
def softplus(x: Float) -> Array:
    """log(1 + exp(x)), without overflow."""
    return np.logaddexp(x, np.zeros((), x.dtype))


@op(infer=like(), traits=ELEMENTWISE)
def softsign(x: Float) -> Array:
    """x / (1 + |x|)."""
    return x / (1 + np.abs(x))


@op(infer=like(), traits=_COMPOSITE)
def silu(x: Float) -> Array:
    """x * sigmoid(x), also called swish."""
    return x * sigmoid(x)


@silu.decomposition
def _(b: Builder, x: Value) -> Value:
    return b.mul(x, b.sigmoid(x))


@op(infer=like(), traits=_COMPOSITE)
def mish(x: Float) -> Array:
    """x * tanh(softplus(x))."""
    return x * np.tanh(softplus(x))


@mish.decomposition
def _(b: Builder, x: Value) -> Value:
    return b.mul(x, b.tanh(b.softplus(x)))


@op(infer=like(), traits=_COMPOSITE)
def hard_swish(x: Float) -> Array:
    """x * clip(x / 6 + 1/2, 0, 1)."""
    return x * hard_sigmoid(x, alpha=1 / 6, beta=0.5)


@hard_swish.decomposition
def _(b: Builder, x: Value) -> Value:
    return b.mul(x, b.hard_sigmoid(x, alpha=1 / 6, beta=0.5))


@op(infer=like(), traits=_COMPOSITE)
def hard_sigmoid(x: Float, *, alpha: float = 0.2, beta: float = 0.5) -> Array:
    """clip(alpha * x + beta, 0, 1)."""
    return np.clip(np.asarray(alpha, x.dtype) * x + np.asarray(beta, x.dtype), 0, 1)


@hard_sigmoid.decomposition
def _(b: Builder, x: Value, *, alpha: float, beta: float) -> Value:
    return b.clip(b.add(b.mul(x, alpha), beta), 0, 1)


@op(infer=like(), traits=ELEMENTWISE)
def leaky_relu(x: Float, *, slope: float = 0.01) -> Array:
    """x where x >= 0, else slope * x."""
    return np.where(x >= 0, x, np.asarray(slope, x.dtype) * x)


@op(infer=elementwise(), traits=ELEMENTWISE)
def prelu(x: Float, slope: Float) -> Array:
    """x where x >= 0, else slope * x; slope broadcasts against x as numpy does."""
    return np.where(x >= 0, x, slope * x)


@op(infer=like(), traits=ELEMENTWISE)
def elu(x: Float, *, alpha: float = 1.0) -> Array:
    """x where x >= 0, else alpha * (exp(x) - 1)."""
    return np.where(x >= 0, x, np.asarray(alpha, x.dtype) * np.expm1(x))


@op(infer=like(), traits=ELEMENTWISE)
def selu(x: Float, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Array:
    """gamma * elu(x, alpha)."""
    return np.asarray(gamma, x.dtype) * np.where(x >= 0, x, np.asarray(alpha, x.dtype) * np.expm1(x))


@op(infer=like(), traits=ELEMENTWISE)
def celu(x: Float, *, alpha: float = 1.0) -> Array:
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)."""
    scale = np.asarray(alpha, x.dtype)
    return np.maximum(x, 0) + np.minimum(scale * np.expm1(x / scale), 0)


@op(infer=like(), traits=ELEMENTWISE)
def thresholded_relu(x: Float, *, alpha: float = 1.0) -> Array:
    """x where x > alpha, else 0."""
    return np.where((x > alpha) | np.isnan(x), x, 0)


@op(infer=like(), traits=_COMPOSITE)
def gelu(x: Float, *, approximate: Literal["none", "tanh"] = "none") -> Array:
    """x * Phi(x), Phi the normal distribution function: by erf, or by its tanh approximation (arXiv:1606.08415)."""
    if approximate == "tanh":
        inner = np.sqrt(2 / np.pi).astype(x.dtype) * (x + np.asarray(0.044715, x.dtype) * x * x * x)
        return x * np.asarray(0.5, x.dtype) * (1 + np.tanh(inner))
    return x * np.asarray(0.5, x.dtype) * (1 + erf_array(x * np.sqrt(0.5).astype(x.dtype)))


@gelu.decomposition
def _(b: Builder, x: Value, *, approximate: str) -> Value:
    if approximate == "tanh":
        cubic = b.mul(b.mul(b.mul(x, x), x), 0.044715)
        gate = b.tanh(b.mul(b.add(x, cubic), float(np.sqrt(2 / np.pi))))
    else:
        gate = b.erf(b.mul(x, float(np.sqrt(0.5))))
    return b.mul(b.mul(x, 0.5), b.add(gate, 1.0))


@op(infer=along_axis, traits=frozenset({Trait.COMPOSITE}), precision=WIDE)
def softmax(x: Float, *, axis: int) -> Array:
    """exp(x) / sum(exp(x)) along `axis`, computed after subtracting the maximum."""
    shifted = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return shifted / np.sum(shifted, axis=axis, keepdims=True)


@softmax.decomposition
def _(b: Builder, x: Value, *, axis: int) -> Value:
    shifted = b.exp(b.sub(x, b.reduce_max(x, axes=(axis,), keepdims=True)))
    return b.div(shifted, b.reduce_sum(shifted, axes=(axis,), keepdims=True))


@op(infer=along_axis, traits=frozenset({Trait.COMPOSITE}), precision=WIDE)
def log_softmax(x: Float, *, axis: int) -> Array:
    """log(softmax(x)) along `axis`, without overflow."""
    shifted = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@log_softmax.decomposition
def _(b: Builder, x: Value, *, axis: int) -> Value:
    shifted = b.sub(x, b.reduce_max(x, axes=(axis,), keepdims=True))
    return b.sub(shifted, b.log(b.reduce_sum(b.exp(shifted), axes=(axis,), keepdims=True)))
