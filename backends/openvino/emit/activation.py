"""Activation functions."""

from __future__ import annotations

from isthmus.backends.emitter import emits
from isthmus.backends.openvino import integers, rounding
from isthmus.backends.openvino.emit.elementwise import expm1
from isthmus.backends.openvino.network import Handle, Network
from isthmus.ir.graph import Node
from isthmus.ir.types import F32


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


def _lost_zero(node: Node) -> str | None:
    zero = 0.0 in (node.attrs["alpha"], node.attrs["beta"])
    return "the engine takes an alpha or beta of zero for its default" if zero else None


@emits("hard_sigmoid", unless=_lost_zero)
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


@emits("elu")
def elu(n: Network, x: Handle, *, alpha: float) -> Handle:
    """The engine's exp(x) - 1 keeps enough digits for networks."""
    return n.ops.elu(x, alpha)


@emits("selu")
def selu(n: Network, x: Handle, *, alpha: float, gamma: float) -> Handle:
    """An elu times gamma, which a narrow type does not hold."""
    return rounding.in_f32(n, lambda y: n.ops.multiply(n.ops.elu(y, alpha), n.scalar(gamma, F32)), x)


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
