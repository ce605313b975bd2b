"""Activation functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.args import normal_axis, reshaped
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.ir.dim import product
from isthmus.ir.graph import Value


@lowers("LeakyRelu")
def leaky_relu(b: OnnxBuilder, x: Value, *, alpha: float = 0.01) -> Value:
    return b.leaky_relu(x, slope=alpha)


@lowers("PRelu", since=7)
def prelu(b: OnnxBuilder, x: Value, slope: Value) -> Value:
    return b.prelu(x, slope)


@lowers("PRelu")
def prelu_by_channel(b: OnnxBuilder, x: Value, slope: Value) -> Value:
    """Before operator set 7 the slope is one number, or one a channel."""
    return b.prelu(x, reshaped(b, slope, (slope.type.numel(), *[1] * (x.rank - 2))))


@lowers("Elu")
def elu(b: OnnxBuilder, x: Value, *, alpha: float = 1.0) -> Value:
    return b.elu(x, alpha=alpha)


@lowers("Celu")
def celu(b: OnnxBuilder, x: Value, *, alpha: float = 1.0) -> Value:
    return b.celu(x, alpha=alpha)


@lowers("Selu", since=6)
def selu(b: OnnxBuilder, x: Value, *, alpha: float = 1.6732632, gamma: float = 1.050701) -> Value:
    return b.selu(x, alpha=alpha, gamma=gamma)


@lowers("Selu")
def selu_rounded(b: OnnxBuilder, x: Value, *, alpha: float = 1.6732, gamma: float = 1.0507) -> Value:
    return b.selu(x, alpha=alpha, gamma=gamma)


@lowers("HardSigmoid")
def hard_sigmoid(b: OnnxBuilder, x: Value, *, alpha: float = 0.2, beta: float = 0.5) -> Value:
    return b.hard_sigmoid(x, alpha=alpha, beta=beta)


@lowers("HardSwish")
def hard_swish(b: OnnxBuilder, x: Value) -> Value:
    return b.hard_swish(x)


@lowers("Swish")
def swish(b: OnnxBuilder, x: Value, *, alpha: float = 1.0) -> Value:
    return b.silu(x) if alpha == 1.0 else b.mul(x, b.sigmoid(b.mul(x, alpha)))


@lowers("Gelu")
def gelu(b: OnnxBuilder, x: Value, *, approximate: Literal["none", "tanh"] = "none") -> Value:
    return b.gelu(x, approximate=approximate)


@lowers("ThresholdedRelu")
def thresholded_relu(b: OnnxBuilder, x: Value, *, alpha: float = 1.0) -> Value:
    return b.thresholded_relu(x, alpha=alpha)


@lowers("Shrink")
def shrink(b: OnnxBuilder, x: Value, *, bias: float = 0.0, lambd: float = 0.5) -> Value:
    """x moved toward zero by `bias` where it lies outside -lambd..lambd, else 0."""
    zero = b.mul(x, 0)
    above = b.where(b.greater(x, lambd), b.sub(x, bias), zero)
    return b.where(b.less(x, -lambd), b.add(x, bias), above)


@lowers("Softmax", since=13)
def softmax(b: OnnxBuilder, x: Value, *, axis: int = -1) -> Value:
    return b.softmax(x, axis=normal_axis(axis, x.rank))


@lowers("LogSoftmax", since=13)
def log_softmax(b: OnnxBuilder, x: Value, *, axis: int = -1) -> Value:
    return b.log_softmax(x, axis=normal_axis(axis, x.rank))


@lowers("Hardmax", since=13)
def hardmax(b: OnnxBuilder, x: Value, *, axis: int = -1) -> Value:
    """One where the first maximum along the axis stands, zero elsewhere."""
    axis = normal_axis(axis, x.rank)
    values = b.const(np.array([0, 1]), x.dtype)
    return b.one_hot(b.argmax(x, axis=axis), values, depth=x.shape[axis], axis=axis)


@lowers("Softmax")
def softmax_of_rows(b: OnnxBuilder, x: Value, *, axis: int = 1) -> Value:
    return _over_rows(b, x, axis, softmax)


@lowers("LogSoftmax")
def log_softmax_of_rows(b: OnnxBuilder, x: Value, *, axis: int = 1) -> Value:
    return _over_rows(b, x, axis, log_softmax)


@lowers("Hardmax")
def hardmax_of_rows(b: OnnxBuilder, x: Value, *, axis: int = 1) -> Value:
    return _over_rows(b, x, axis, hardmax)


def _over_rows(b: OnnxBuilder, x: Value, axis: int, apply: Callable[..., Value]) -> Value:
    """Before operator set 13 x counts as a matrix: dimensions before `axis` by those from it on."""
    axis = normal_axis(axis, x.rank)
    if all(d == 1 for d in x.shape[axis + 1 :]):
        return apply(b, x, axis=axis)
    rows = b.reshape(x, shape=(product(x.shape[:axis]), product(x.shape[axis:])))
    return b.reshape(apply(b, rows, axis=1), shape=x.shape)
