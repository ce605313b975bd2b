"""Activation functions."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.tensorrt import integers
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.backends.tensorrt.wide import in_f32

_SAME: Mapping[str, str] = {"sigmoid": "SIGMOID", "softsign": "SOFTSIGN"}


@emits(*_SAME)
def same(n: Network, x: Handle) -> Handle:
    """Activations the engine has without parameters."""
    return n.activation(_SAME[n.node.op.name], x)


@emits("relu")
def relu(n: Network, x: Handle) -> Handle:
    """max(x, 0)."""
    return integers.in_wide(n, n.x.dtype, lambda y: n.activation("RELU", y), x)


@emits("softplus")
def softplus(n: Network, x: Handle) -> Handle:
    """alpha * log(1 + exp(beta * x))."""
    return n.activation("SOFTPLUS", x, 1.0, 1.0)


@emits("hard_sigmoid")
def hard_sigmoid(n: Network, x: Handle, *, alpha: float, beta: float) -> Handle:
    """clip(alpha * x + beta, 0, 1)."""
    return n.activation("HARD_SIGMOID", x, alpha, beta)


@emits("leaky_relu")
def leaky_relu(n: Network, x: Handle, *, slope: float) -> Handle:
    """x where x >= 0, else slope * x."""
    return n.activation("LEAKY_RELU", x, slope)


@emits("prelu")
def prelu(n: Network, x: Handle, slope: Handle) -> Handle:
    """The engine's parametric relu, where x need not be repeated to meet the slopes."""
    if n.node.results[0].shape == n.x.shape:
        return n.of(n.definition.add_parametric_relu(*n.level(x, slope)))
    return n.select(n.elementwise("LESS", x, n.like(0)), n.elementwise("PROD", x, slope), x)


@emits("elu")
def elu(n: Network, x: Handle, *, alpha: float) -> Handle:
    """alpha * (exp(x) - 1) below zero."""
    return n.activation("ELU", x, alpha)


@emits("selu")
def selu(n: Network, x: Handle, *, alpha: float, gamma: float) -> Handle:
    """An elu times gamma, which the engine calls beta."""
    return n.activation("SELU", x, alpha, gamma)


@emits("celu")
def celu(n: Network, x: Handle, *, alpha: float) -> Handle:
    """Below zero an elu of x / alpha, times alpha."""

    def write(y: Handle) -> Handle:
        scale = n.number(alpha, y)
        below = n.elementwise("PROD", n.activation("ELU", n.elementwise("DIV", y, scale), 1.0), scale)
        return n.select(n.elementwise("LESS", y, n.number(0, y)), below, y)

    return in_f32(n, write, x)


@emits("thresholded_relu")
def thresholded_relu(n: Network, x: Handle, *, alpha: float) -> Handle:
    """Written out, as the engine's own makes NaN zero."""
    kept = n.elementwise("OR", n.elementwise("GREATER", x, n.like(alpha)), n.unary("ISNAN", x))
    return n.select(kept, x, n.like(0))


@emits("gelu")
def gelu(n: Network, x: Handle, *, approximate: str) -> Handle:
    """By erf or by tanh."""
    return n.activation("GELU_ERF" if approximate == "none" else "GELU_TANH", x)


@emits("softmax")
def softmax(n: Network, x: Handle, *, axis: int) -> Handle:
    """Along one axis of two or more."""
    vector = n.x.rank == 1
    layer = n.layer(n.definition.add_softmax(n.unsqueeze(x, (0,)) if vector else x))
    layer.axes = 1 << (axis + vector)
    return n.squeeze(n.of(layer), (0,)) if vector else n.of(layer)


MISSING = lacks(
    silu="written out in primitive ops",
    mish="written out in primitive ops",
    hard_swish="written out in primitive ops",
    log_softmax="written out in primitive ops",
)
