"""Reductions, scans and selections along axes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from isthmus.backends.emitter import emits, lacks
from isthmus.backends.tensorrt import integers
from isthmus.backends.tensorrt.network import Handle, Network
from isthmus.backends.tensorrt.wide import in_f32
from isthmus.ir.dim import Dim, bounds
from isthmus.ir.graph import Node
from isthmus.ir.types import I32, I64, DType

_PLAIN: Mapping[str, str] = {"reduce_sum": "SUM", "reduce_prod": "PROD", "reduce_mean": "AVG"}


@emits(*_PLAIN)
def plain(n: Network, x: Handle, *, axes: tuple[int, ...], keepdims: bool) -> Handle:
    """Of no elements the engine makes 0, 1 and NaN, as it should be."""
    if not axes:
        return x
    return integers.in_wide(n, n.x.dtype, lambda y: n.reduce(_PLAIN[n.node.op.name], y, axes, keepdims), x)


@emits("reduce_max", "reduce_min")
def extremum(n: Network, x: Handle, *, axes: tuple[int, ...], keepdims: bool) -> Handle:
    """Of no elements the engine makes an infinity, or the end of a 32-bit range."""
    dtype = n.x.dtype
    if not axes:
        return x
    greatest = n.node.op.name == "reduce_max"
    if not dtype.is_integer or dtype.bits >= 32:
        return n.reduce("MAX" if greatest else "MIN", x, axes, keepdims)
    info = np.iinfo(dtype.numpy)
    found = n.reduce("MAX" if greatest else "MIN", n.cast(x, I32), axes, keepdims)
    inside = n.elementwise("MAX" if greatest else "MIN", found, n.number(info.min if greatest else info.max, found))
    return n.cast(inside, dtype)


@emits("reduce_all", "reduce_any")
def logical(n: Network, x: Handle, *, axes: tuple[int, ...], keepdims: bool) -> Handle:
    """Booleans are counted: all hold where none fails, any holds where one does."""
    if not axes:
        return x
    every = n.node.op.name == "reduce_all"
    counted = n.cast(n.unary("NOT", x) if every else x, I32)
    number = n.reduce("SUM", counted, axes, keepdims)
    nothing = n.elementwise("EQUAL", number, n.number(0, number))
    return nothing if every else n.unary("NOT", nothing)


@emits("argmax", "argmin")
def extremum_index(n: Network, x: Handle, *, axis: int, keepdims: bool, last: bool) -> Handle:
    """The first or last place that holds the extremum: the engine does not say which of equals its own search finds.

    A NaN counts as the infinity that wins.
    """
    dtype, shape = n.x.dtype, n.x.shape
    greatest = n.node.op.name == "argmax"
    if dtype.is_float:
        x = n.select(n.unary("ISNAN", x), n.number(np.inf if greatest else -np.inf, x), x)
    elif dtype.bits < 32:
        x = n.cast(x, I32)
    best = n.reduce("MAX" if greatest else "MIN", x, (axis,), keepdims=True)
    place = n.unsqueeze(n.range(shape[axis]), [i for i in range(len(shape)) if i != axis])
    nowhere = n.number(-1 if last else np.iinfo(np.int64).max, place)
    places = n.select(n.elementwise("EQUAL", x, best), place, nowhere)
    return n.reduce("MAX" if last else "MIN", places, (axis,), keepdims)


@emits("cumsum")
def cumsum(n: Network, x: Handle, *, axis: int, exclusive: bool, reverse: bool) -> Handle:
    """Narrow integers are added in i32, narrow floats in f32."""
    operation = n.trt.CumulativeOperation.SUM

    def total(y: Handle) -> Handle:
        return n.of(n.definition.add_cumulative(y, n.scalar(axis), operation, exclusive, reverse))

    return in_f32(n, total, x) if n.x.dtype.is_float else integers.in_wide(n, n.x.dtype, total, x)


_MOST = 3840
_TRAILING = 4


def _too_many(node: Node) -> str | None:
    most = bounds(node.attrs["k"])[1]
    if most is None or most > _MOST:
        return f"the engine finds {_MOST} elements at most, and k is {node.attrs['k']}"
    return None


@emits("topk", unless=_too_many)
def topk(n: Network, x: Handle, *, k: Dim, axis: int, largest: bool) -> list[Handle]:
    """Along one of the last four of at least two axes."""
    dtype, rank = n.x.dtype, n.x.rank
    if rank == 1:
        values, indices = _topk(n, n.unsqueeze(x, (0,)), k, 1, largest, dtype)
        return [n.squeeze(values, (0,)), n.squeeze(indices, (0,))]
    if axis >= rank - _TRAILING:
        return _topk(n, x, k, axis, largest, dtype)
    swapped = [rank - 1 if i == axis else axis if i == rank - 1 else i for i in range(rank)]
    return [n.transpose(y, swapped) for y in _topk(n, n.transpose(x, swapped), k, rank - 1, largest, dtype)]


def _topk(n: Network, x: Handle, k: Dim, axis: int, largest: bool, dtype: DType) -> list[Handle]:
    operation = n.trt.TopKOperation.MAX if largest else n.trt.TopKOperation.MIN
    narrow = dtype.is_integer and dtype.bits < 32
    known = k if isinstance(k, int) else 1
    layer = n.definition.add_topk(n.cast(x, I32) if narrow else x, operation, known, 1 << axis, n.type(I64))
    if not isinstance(k, int):
        n.layer(layer).set_input(1, n.dim(k))
    return [n.cast(n.output(layer, 0), dtype), n.output(layer, 1)]


MISSING = lacks(log_sum_exp="written out in primitive ops")
