"""Activation functions."""

from __future__ import annotations

import math
from collections.abc import Callable

from isthmus.backends.emitter import emits
from isthmus.backends.tvm import integers, maths, rows
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import bound, const, select
from isthmus.backends.tvm.network import Network
from isthmus.backends.tvm.tensors import Tensor


def _relu(x: Expr) -> Expr:
    if not integers.is_float(x) and not integers.is_signed(x):  # the engine ends the process over unsigned x < 0
        return x
    return select(x < const(0, x), const(0, x), x)


def _softplus(x: Expr) -> Expr:
    above = select(x > const(0, x), x, select(x <= const(0, x), const(0, x), x))
    return bound(above + maths.libm("log1p", maths.exp(const(0, x) - maths.magnitude(x))))


def _limited(x: Expr, low: float, high: float) -> Expr:
    return select(x < const(low, x), const(low, x), select(x > const(high, x), const(high, x), x))


def _expm1(x: Expr) -> Expr:
    """exp(x) - 1 for the negative side of activations: by tanh, which loses no digits near zero."""
    half = bound(maths.tanh(x * const(0.5, x)))
    near = (half + half) / (const(1, x) - half)
    return select(maths.magnitude(x) < const(1, x), near, maths.exp(x) - const(1, x))


_PLAIN: dict[str, Callable[[Expr], Expr]] = {
    "relu": _relu,
    "sigmoid": maths.sigmoid,
    "softsign": lambda x: x / (const(1, x) + tirx.abs(x)),
    "silu": lambda x: x * maths.sigmoid(x),
    "hard_swish": lambda x: x * _limited(bound(x * const(1 / 6, x) + const(0.5, x)), 0.0, 1.0),
}


@emits(*_PLAIN)
def plain(n: Network, x: Tensor) -> Tensor:
    """Activations without attributes."""
    return n.each(_PLAIN[n.node.op.name], x, calls=n.x.dtype.name == "f64")


@emits("softplus", "mish")
def logarithmic(n: Network, x: Tensor) -> Tensor:
    """log(1 + exp(x)), and x times its hyperbolic tangent."""
    is_mish = n.node.op.name == "mish"
    return n.each(lambda v: v * maths.tanh(_softplus(v)) if is_mish else _softplus(v), x, calls=True)


@emits("hard_sigmoid")
def hard_sigmoid(n: Network, x: Tensor, *, alpha: float, beta: float) -> Tensor:
    """clip(alpha * x + beta, 0, 1)."""
    return n.each(lambda v: _limited(bound(v * const(alpha, v) + const(beta, v)), 0.0, 1.0), x)


@emits("leaky_relu")
def leaky_relu(n: Network, x: Tensor, *, slope: float) -> Tensor:
    """x where x >= 0, else slope * x."""
    return n.each(lambda v: select(v >= const(0, v), v, v * const(slope, v)), x)


@emits("prelu")
def prelu(n: Network, x: Tensor, slope: Tensor) -> Tensor:
    """x where x >= 0, else slope * x."""
    return n.each(lambda v, s: select(v >= const(0, v), v, v * s), x, slope)


@emits("elu")
def elu(n: Network, x: Tensor, *, alpha: float) -> Tensor:
    """x where x >= 0, else alpha * (exp(x) - 1)."""
    return n.each(lambda v: _elu(v, alpha), x, calls=n.x.dtype.name == "f64")


@emits("selu")
def selu(n: Network, x: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """gamma * elu(x, alpha)."""
    return n.each(lambda v: _elu(v, alpha) * const(gamma, v), x, calls=n.x.dtype.name == "f64")


@emits("celu")
def celu(n: Network, x: Tensor, *, alpha: float) -> Tensor:
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)."""
    return n.each(
        lambda v: select(v > const(0, v), v, const(alpha, v) * _expm1(bound(v / const(alpha, v)))),
        x,
        calls=n.x.dtype.name == "f64",
    )


def _elu(x: Expr, alpha: float) -> Expr:
    return select(x >= const(0, x), x, const(alpha, x) * _expm1(x))


@emits("thresholded_relu")
def thresholded_relu(n: Network, x: Tensor, *, alpha: float) -> Tensor:
    """0 where x <= alpha, so that NaN stays."""
    return n.each(lambda v: select(v <= const(alpha, v), const(0, v), v), x)


@emits("gelu")
def gelu(n: Network, x: Tensor, *, approximate: str) -> Tensor:
    """By erf or by tanh."""

    def one(v: Expr) -> Expr:
        half = v * const(0.5, v)
        if approximate == "tanh":
            inner = const(math.sqrt(2 / math.pi), v) * (v + const(0.044715, v) * v * v * v)
            return half * (const(1, v) + maths.tanh(inner))
        return half * (const(1, v) + maths.erf(v * const(math.sqrt(0.5), v)))

    return n.each(one, x, calls=n.x.dtype.name == "f64")


@emits("softmax", "log_softmax")
def softmax(n: Network, x: Tensor, *, axis: int) -> Tensor:
    """Row by row: the maximum, the sum of exponentials, and the quotients."""
    return rows.softmax(n, x, axis, is_log=n.node.op.name == "log_softmax")
