"""Reductions, scans and selections along axes."""

from __future__ import annotations

import numpy as np

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.openvino import integers, rounding
from isthmus.backends.openvino.emit.shape import reversed_along
from isthmus.backends.openvino.network import Handle, Network
from isthmus.ir.dim import Dim, less_equal
from isthmus.ir.graph import Node
from isthmus.ir.types import DType

_FLOAT = {
    "reduce_sum": "reduce_sum",
    "reduce_prod": "reduce_prod",
    "reduce_mean": "reduce_mean",
    "reduce_max": "reduce_max",
    "reduce_min": "reduce_min",
    "reduce_all": "reduce_logical_and",
    "reduce_any": "reduce_logical_or",
}


def _may_be_empty(node: Node) -> str | None:
    x = node.inputs[0]
    if all(less_equal(1, x.shape[a]) for a in node.attrs["axes"]):
        return None
    return "what the engine reduces no elements to differs"


@emits("reduce_mean", "reduce_all", "reduce_any", "reduce_prod", "reduce_sum", unless=_may_be_empty)
def plain(n: Network, x: Handle, *, axes: tuple[int, ...], keepdims: bool) -> Handle:
    """Integer sums are running sums, which the engine adds in i32; its own sums go through f32."""
    name, dtype = n.node.op.name, n.x.dtype
    if not axes:
        return x
    if dtype.is_integer:
        wide = integers.widen(n, x, dtype)
        result = _running_sum(n, wide, axes, keepdims) if name == "reduce_sum" else _product(n, wide, axes, keepdims)
        return integers.narrow(n, result, dtype)
    return getattr(n.ops, _FLOAT[name])(x, n.vector(axes), keepdims)


def _running_sum(n: Network, x: Handle, axes: tuple[int, ...], keepdims: bool) -> Handle:
    last = n.vector([-1])
    for axis in axes:
        x = n.ops.gather(n.ops.cumsum(x, n.scalar(axis)), last, n.scalar(axis))
    return x if keepdims else n.ops.squeeze(x, n.vector(axes))


def _product(n: Network, x: Handle, axes: tuple[int, ...], keepdims: bool) -> Handle:
    return n.ops.reduce_prod(x, n.vector(axes), keepdims)


@emits("reduce_max", "reduce_min", unless=_may_be_empty)
def extremum(n: Network, x: Handle, *, axes: tuple[int, ...], keepdims: bool) -> Handle:
    """Wide integers are reduced by halves, each of which f32 holds."""
    if not axes:
        return x
    along = n.vector(axes)
    reduce = getattr(n.ops, n.node.op.name)
    if n.x.dtype.is_float:
        return _all_infinite(n, x, along, keepdims, reduce(x, along, keepdims))
    if not _is_wide(n.x.dtype):
        return reduce(x, along, keepdims)
    high, low = integers.halves(n, x)
    best = reduce(high, along, True)
    worst = integers.number(n, 0 if n.node.op.name == "reduce_max" else 0xFFFF, x)
    rest = reduce(integers.choose(n, n.ops.equal(high, best), low, worst), along, True)
    result = integers.join(n, best, rest)
    return result if keepdims else n.ops.squeeze(result, along)


def _all_infinite(n: Network, x: Handle, along: Handle, keepdims: bool, found: Handle) -> Handle:
    """Of nothing but the infinity that loses against everything, the engine finds the outermost finite number."""
    loser = n.like(-np.inf if n.node.op.name == "reduce_max" else np.inf)
    nothing_else = n.ops.reduce_logical_and(n.ops.equal(x, loser), along, keepdims)
    return n.ops.select(nothing_else, loser, found)


@emits("argmax", "argmin", unless=lambda node: _ordered(node))
def extremum_index(n: Network, x: Handle, *, axis: int, keepdims: bool, last: bool) -> Handle:
    """The first of a stable top 1; the last one is the first from behind."""
    source = reversed_along(n, x, (axis,)) if last else x
    mode = "max" if n.node.op.name == "argmax" else "min"
    best = n.ops.topk(source, n.scalar(1), axis, mode, "value", "i64", stable=True).output(1)
    if last:
        size = n.dims((n.x.shape[axis],))
        best = n.ops.subtract(n.ops.subtract(size, n.vector([1])), best)
    return best if keepdims else n.ops.squeeze(best, n.vector([axis]))


@emits("cumsum")
def cumsum(n: Network, x: Handle, *, axis: int, exclusive: bool, reverse: bool) -> Handle:
    """Narrow integers are added in i32, narrow floats in f32."""
    dtype = n.x.dtype

    def total(y: Handle) -> Handle:
        return n.ops.cumsum(y, n.scalar(axis), exclusive, reverse)

    if dtype.is_float:
        return rounding.in_f32(n, total, x)
    return integers.narrow(n, total(integers.widen(n, x, dtype)), dtype)


def _ordered(node: Node) -> str | None:
    """f32 keeps the order of numbers that were widened from 16 bits or less, or from bool."""
    x = node.inputs[0]
    if not _is_wide(x.dtype) or (x.node is not None and x.node.op.name == "cast" and _is_few(x.node.inputs[0].dtype)):
        return None
    return f"the engine orders {x.dtype} in f32"


def _is_few(dtype: DType) -> bool:
    return not dtype.is_float and not _is_wide(dtype)


@emits("topk", unless=_ordered)
def topk(n: Network, x: Handle, *, k: Dim, axis: int, largest: bool) -> list[Handle]:
    """Sorted by value, of equals the first one first."""
    found = n.ops.topk(x, n.dim(k), axis, "max" if largest else "min", "value", "i64", stable=True)
    return list(found.outputs())


def _is_wide(dtype: DType) -> bool:
    return dtype.is_integer and dtype.bits > 16


MISSING = lacks(log_sum_exp="written out in primitive ops")
