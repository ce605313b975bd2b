"""Activation functions."""

from __future__ import annotations

import math
from typing import Literal

from isthmus.compiler.importers.torch.args import axis_of, cast, floated, reshaped, tensor
from isthmus.compiler.importers.torch.builder import Number, TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value


@aten("relu")
def relu(b: TorchBuilder, x: Value) -> Value:
    return b.relu(x)


@aten("relu6")
def relu6(b: TorchBuilder, x: Value) -> Value:
    return b.clip(x, 0, 6)


@aten("hardtanh")
def hardtanh(b: TorchBuilder, x: Value, min_val: float = -1, max_val: float = 1) -> Value:
    return b.clip(x, min_val, max_val)


@aten("gelu")
def gelu(b: TorchBuilder, x: Value, approximate: Literal["none", "tanh"] = "none") -> Value:
    return b.gelu(x, approximate=approximate)


@aten("silu")
def silu(b: TorchBuilder, x: Value) -> Value:
    return b.silu(x)


@aten("mish")
def mish(b: TorchBuilder, x: Value) -> Value:
    return b.mish(x)


@aten("hardswish")
def hardswish(b: TorchBuilder, x: Value) -> Value:
    return b.hard_swish(x)


@aten("hardsigmoid")
def hardsigmoid(b: TorchBuilder, x: Value) -> Value:
    return b.hard_sigmoid(x, alpha=1 / 6, beta=0.5)


@aten("leaky_relu")
def leaky_relu(b: TorchBuilder, x: Value, negative_slope: float = 0.01) -> Value:
    return b.leaky_relu(x, slope=float(negative_slope))


@aten("rrelu", "rrelu_with_noise", "rrelu_with_noise_functional")
def rrelu(
    b: TorchBuilder,
    x: Value,
    noise: Value | None = None,
    lower: float = 0.125,
    upper: float = 1 / 3,
    training: bool = False,
) -> Value | tuple[Value, None]:
    """The random slope at its mean, as always where nothing is trained."""
    if training:
        raise UnsupportedModel("rrelu in training mode", hint="call model.eval() first")
    found = b.leaky_relu(x, slope=(lower + upper) / 2)
    return (found, None) if isinstance(b.fake, list | tuple) else found


@aten("elu")
def elu(b: TorchBuilder, x: Value, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Value:
    """scale * (x, or alpha * (exp(input_scale * x) - 1) below zero)."""
    if input_scale == 1:
        y = b.elu(x, alpha=float(alpha))
    else:
        below = b.mul(b.expm1(b.mul(x, float(input_scale))), float(alpha))
        y = b.where(b.less(x, 0.0), below, x)
    return y if scale == 1 else b.mul(y, float(scale))


@aten("selu")
def selu(b: TorchBuilder, x: Value) -> Value:
    return b.selu(x)


@aten("celu")
def celu(b: TorchBuilder, x: Value, alpha: float = 1.0) -> Value:
    return b.celu(x, alpha=float(alpha))


@aten("prelu", "_prelu_kernel")
def prelu(b: TorchBuilder, x: Value, weight: Value) -> Value:
    """One slope, or one a channel (axis 1)."""
    if weight.rank == 1 and x.rank > 1:
        weight = b.reshape(weight, shape=(weight.shape[0], *[1] * (x.rank - 2)))
    return b.prelu(x, weight)


@aten("threshold")
def threshold(b: TorchBuilder, x: Value, threshold: Number, value: Number) -> Value:
    return b.where(b.less_equal(x, tensor(b, threshold, x.dtype)), tensor(b, value, x.dtype), x)


@aten("softplus")
def softplus(b: TorchBuilder, x: Value, beta: float = 1, threshold: float = 20) -> Value:
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is above the threshold."""
    scaled = x if beta == 1 else b.mul(x, float(beta))
    smooth = b.softplus(scaled)
    smooth = smooth if beta == 1 else b.div(smooth, float(beta))
    return smooth if threshold >= 20 else b.where(b.greater(scaled, float(threshold)), x, smooth)


@aten("softshrink")
def softshrink(b: TorchBuilder, x: Value, lambd: float = 0.5) -> Value:
    above = b.where(b.greater(x, float(lambd)), b.sub(x, float(lambd)), b.mul(x, 0.0))
    return b.where(b.less(x, -float(lambd)), b.add(x, float(lambd)), above)


@aten("hardshrink")
def hardshrink(b: TorchBuilder, x: Value, lambd: float = 0.5) -> Value:
    return b.where(b.less_equal(b.abs(x), float(lambd)), 0.0, x)


@aten("log_sigmoid")
def log_sigmoid(b: TorchBuilder, x: Value) -> Value:
    return b.neg(b.softplus(b.neg(x)))


@aten("log_sigmoid_forward")
def log_sigmoid_forward(b: TorchBuilder, x: Value) -> tuple[Value, None]:
    return log_sigmoid(b, x), None


@aten("glu")
def glu(b: TorchBuilder, x: Value, dim: int = -1) -> Value:
    axis = axis_of(dim, x.rank)
    half = x.shape[axis] // 2
    left, gate = b.split(x, axis=axis, sizes=(half, half))
    return b.mul(left, b.sigmoid(gate))


@aten("_safe_softmax")
def safe_softmax(b: TorchBuilder, x: Value, dim: int, dtype: object = None) -> Value:
    """Softmax, and 0 in rows of nothing but -inf."""
    hidden = b.equal(x, b.const(-math.inf, x.dtype))
    y = softmax(b, x, dim, dtype)
    if x.rank == 0:
        return y
    return b.where(b.reduce_all(hidden, axes=(axis_of(dim, x.rank),), keepdims=True), b.const(0.0, y.dtype), y)


@aten("softmax", "_softmax")
def softmax(b: TorchBuilder, x: Value, dim: int, dtype: object = None, half_to_float: bool = False) -> Value:
    y = cast(b, floated(b, x), b.wanted_dtype())
    y = reshaped(b, y, y.shape or (1,))
    return reshaped(b, b.softmax(y, axis=axis_of(dim, y.rank)), x.shape)


@aten("log_softmax", "_log_softmax")
def log_softmax(b: TorchBuilder, x: Value, dim: int, dtype: object = None, half_to_float: bool = False) -> Value:
    y = cast(b, floated(b, x), b.wanted_dtype())
    y = reshaped(b, y, y.shape or (1,))
    return reshaped(b, b.log_softmax(y, axis=axis_of(dim, y.rank)), x.shape)
