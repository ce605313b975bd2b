"""Activation functions."""

from __future__ import annotations

from isthmus.backends.emitter import emits
from isthmus.backends.openvino import integers
from isthmus.backends.openvino.emit.elementwise import expm1
from isthmus.backends.openvino.network import Handle, Network


@emits("sigmoid", "softsign", "mish")
def same_name(n: Network, x: Handle) -> Handle:
    """Activations the engine has under the same name."""
    return getattr(n.ops, n.node.op.name)(x)


@emits("relu")
def relu(n: Network, x: Handle) -> Handle:
    """The engine's relu goes through f32: integers are compared exactly instead."""
    dtype = n.x.dtype
    if dtype.is_float:
        return n.ops.relu(x)
    if dtype.bits <= 16:
        return n.ops.maximum(x, n.like(0))
    return integers.choose(n, n.ops.less(x, n.like(0)), integers.number(n, 0, x), x)


@emits("softplus")
def softplus(n: Network, x: Handle) -> Handle:
    """log(1 + exp(x))."""
    return n.ops.softplus(x)


@emits("silu")
def silu(n: Network, x: Handle) -> Handle:
    """The engine calls it swish; left out, its factor would be f32."""
    return n.ops.swish(x, n.like(1))


@emits("hard_swish")
def hard_swish(n: Network, x: Handle) -> Handle:
    """x * clip(x + 3, 0, 6) / 6."""
    return n.ops.hswish(x)


@emits("hard_sigmoid")
def hard_sigmoid(n: Network, x: Handle, *, alpha: float, beta: float) -> Handle:
    """clip(alpha * x + beta, 0, 1)."""
    return n.ops.hard_sigmoid(x, n.like(alpha), n.like(beta))


@emits("leaky_relu")
def leaky_relu(n: Network, x: Handle, *, slope: float) -> Handle:
    """A prelu with one slope."""
    return n.ops.prelu(x, n.like(slope))


@emits("prelu")
def prelu(n: Network, x: Handle, slope: Handle) -> Handle:
    """A slope for each channel is the engine's prelu; other broadcasts are written out."""
    given, taken = n.node.inputs
    if slope_is_per_channel(given.rank, taken.shape):
        return n.ops.prelu(x, n.ops.reshape(slope, n.vector([-1]), False))
    return n.ops.select(n.ops.less(x, n.like(0)), n.ops.multiply(x, slope), x)


def slope_is_per_channel(rank: int, slope: tuple[object, ...]) -> bool:
    """Whether only the channel axis of a slope is longer than 1."""
    aligned = (1,) * (rank - len(slope)) + slope
    return rank >= 2 and len(aligned) == rank and all(d == 1 for i, d in enumerate(aligned) if i != 1)


@emits("elu", "selu")
def elu(n: Network, x: Handle, *, alpha: float, gamma: float = 1.0) -> Handle:
    """The engine's exp(x) - 1 keeps enough digits for networks."""
    below = n.ops.elu(x, alpha)
    return below if gamma == 1.0 else n.ops.multiply(below, n.like(gamma))


@emits("celu")
def celu(n: Network, x: Handle, *, alpha: float) -> Handle:
    """max(x, 0) + min(alpha * expm1(x / alpha), 0)."""
    below = n.ops.multiply(expm1.function(n, n.ops.divide(x, n.like(alpha))), n.like(alpha))
    return n.ops.select(n.ops.less(x, n.like(0)), below, x)


@emits("thresholded_relu")
def thresholded_relu(n: Network, x: Handle, *, alpha: float) -> Handle:
    """0 where x <= alpha, so that NaN stays."""
    return n.ops.select(n.ops.less_equal(x, n.like(alpha)), n.like(0), x)


@emits("gelu")
def gelu(n: Network, x: Handle, *, approximate: str) -> Handle:
    """By erf or by tanh."""
    return n.ops.gelu(x, "erf" if approximate == "none" else "tanh")


@emits("softmax", "log_softmax")
def softmax(n: Network, x: Handle, *, axis: int) -> Handle:
    """Along one axis."""
    return getattr(n.ops, n.node.op.name)(x, axis)
