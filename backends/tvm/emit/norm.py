"""Normalisations of rows, and of neighbouring channels."""

from __future__ import annotations

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.tvm import maths, rows
from isthmus.backends.tvm.api import tirx
from isthmus.backends.tvm.kernels import Expr
from isthmus.backends.tvm.maths import const, select
from isthmus.backends.tvm.network import Network, broadcast_index
from isthmus.backends.tvm.schedule_default import int64
from isthmus.backends.tvm.tensors import Index, Scope, Stored, Tensor


@emits("layer_norm")
def layer_norm(
    n: Network, x: Tensor, scale: Tensor | None = None, bias: Tensor | None = None, *, axis: int, epsilon: float
) -> Tensor:
    """Rows are the last dimensions."""
    return _normalized(n, x, scale, bias, axis, epsilon, is_centred=True)


@emits("rms_norm")
def rms_norm(n: Network, x: Tensor, scale: Tensor | None = None, *, axis: int, epsilon: float) -> Tensor:
    """Rows are the last dimensions."""
    return _normalized(n, x, scale, None, axis, epsilon, is_centred=False)


def _normalized(
    n: Network,
    x: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    axis: int,
    epsilon: float,
    *,
    is_centred: bool,
) -> Tensor:
    tail = n.x.shape[axis:]

    def affine(scope: Scope, value: Expr, at: Index, given: tuple[Stored, ...]) -> Expr:
        parameters = [scope.read(p, broadcast_index(scope, at[axis:], p.type.shape, tail)) for p in given]
        if scale is not None:
            value = value * parameters.pop(0)
        return value if bias is None else value + parameters.pop(0)

    parameters = tuple(each for each in (scale, bias) if each is not None)
    return rows.standardized(n, x, axis, epsilon, parameters, affine, is_centred=is_centred)


@emits("instance_norm")
def instance_norm(n: Network, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float) -> Tensor:
    """Rows are the spatial dimensions."""
    return rows.standardized(n, x, 2, epsilon, (scale, bias), _by_channel, is_centred=True)


def _by_channel(scope: Scope, value: Expr, at: Index, given: tuple[Stored, ...]) -> Expr:
    scale, bias = given
    return value * scope.read(scale, at[1:2]) + scope.read(bias, at[1:2])


@emits("lrn")
def lrn(n: Network, x: Tensor, *, size: int, alpha: float, beta: float, bias: float) -> Tensor:
    """The squares of `size` channels around are added up at each place."""
    source, channels = n.memory(x), n.x.shape[1]
    before = (size - 1) // 2

    def element(scope: Scope, at: Index) -> Expr:
        own = scope.read(source, at)
        total, last = const(0, own), int64(scope.size(channels)) - int64(1)
        for offset in range(-before, size - before):
            place = at[1] + int64(offset)
            near = [at[0], tirx.min(tirx.max(place, int64(0)), last), *at[2:]]
            value = scope.read(source, near)
            inside = tirx.all(place >= int64(0), place <= last)
            total = scope.bind(total + select(inside, value * value, const(0, own)))
        return own / maths.libm("pow", const(bias, own) + const(alpha / size, own) * total, const(beta, own))

    return n.formula(element, source, calls=True)


MISSING = lacks(
    batch_norm="taken apart into elementwise ops, which join what they follow",
    group_norm="taken apart: its rows are groups of channels, under another shape",
)
"""Composites that this backend writes no kernel of its own for."""
