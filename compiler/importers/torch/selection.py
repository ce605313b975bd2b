"""Order statistics: the element that stands at some place once an axis is sorted, or that stands there most often.

Of equal elements torch does not say which one its indices name; here it is the first, and of `mode` the last.
"""

from __future__ import annotations

import math

from isthmus.compiler.importers.torch.args import axis_of, cast
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.reduce import sort
from isthmus.compiler.importers.torch.scans import run_lengths
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import Dim, floordiv, less_equal, maximum
from isthmus.ir.graph import Value
from isthmus.ir.types import F32, I64


@aten("median.default")
def median(b: TorchBuilder, x: Value) -> Value:
    """The lower of the two in the middle, NaN if any element is; of no floats NaN, of no integers nothing certain."""
    flat = b.reshape(x, shape=(x.type.numel(),))
    if not x.dtype.is_float or less_equal(1, flat.shape[0]) is True:
        return median_dim(b, flat, 0)[0]
    spoilt = b.reduce_any(b.is_nan(_and(b, flat, 0.0)), axes=(0,))
    return b.where(spoilt, math.nan, nanmedian(b, flat))


@aten("median.dim")
def median_dim(b: TorchBuilder, x: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    if x.rank == 0:
        return x, b.const(0)
    axis = axis_of(dim, x.rank)
    middle, _ = _nth(b, x, _middle(x.shape[axis]), axis)
    if x.dtype.is_float:
        spoilt = b.reduce_any(b.is_nan(x), axes=(axis,), keepdims=True)
        middle = b.where(spoilt, math.nan, middle)
    return _without(b, middle, axis, keepdim), _without(b, _first(b, x, middle, axis), axis, keepdim)


@aten("nanmedian.default")
def nanmedian(b: TorchBuilder, x: Value) -> Value:
    """The same of all that is no NaN; NaN where that is nothing."""
    if not x.dtype.is_float:
        return median(b, x)
    flat = b.reshape(x, shape=(x.type.numel(),))
    return nanmedian_dim(b, flat if less_equal(1, flat.shape[0]) is True else _and(b, flat, math.nan), 0)[0]


@aten("nanmedian.dim")
def nanmedian_dim(b: TorchBuilder, x: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    """NaNs are sorted behind everything, and the middle is that of the rest."""
    if x.rank == 0 or not x.dtype.is_float:
        return median_dim(b, x, dim, keepdim)
    axis = axis_of(dim, x.rank)
    is_nan = b.is_nan(x)
    ordered, _ = b.topk(b.where(is_nan, math.inf, x), k=x.shape[axis], axis=axis, largest=False)
    counted = b.reduce_sum(b.cast(b.logical_not(is_nan), dtype=I64), axes=(axis,), keepdims=True)
    place = b.maximum(b.floor_div(b.sub(counted, 1), 2), 0)
    middle = b.gather_elements(ordered, place, axis=axis)
    middle = b.where(b.equal(counted, 0), math.nan, middle)
    return _without(b, middle, axis, keepdim), _without(b, _first(b, x, middle, axis), axis, keepdim)


@aten("kthvalue")
def kthvalue(b: TorchBuilder, x: Value, k: Dim, dim: int = -1, keepdim: bool = False) -> tuple[Value, Value]:
    """The k-th smallest, counted from 1; NaN counts as greatest."""
    if x.rank == 0:
        return x, b.const(0)
    axis = axis_of(dim, x.rank)
    values, places = _nth(b, x, k - 1, axis)
    return _without(b, values, axis, keepdim), _without(b, places, axis, keepdim)


@aten("mode")
def mode(b: TorchBuilder, x: Value, dim: int = -1, keepdim: bool = False) -> tuple[Value, Value]:
    """What occurs most often, and of several the least. Over NaNs, torch says nothing certain."""
    if x.rank == 0:
        return x, b.const(0)
    axis = axis_of(dim, x.rank)
    ordered, _ = sort(b, x, axis)
    longest = b.argmax(cast(b, run_lengths(b, ordered, axis), F32), axis=axis, keepdims=True)
    found = b.gather_elements(ordered, longest, axis=axis)
    places = b.argmax(b.cast(b.equal(x, found), dtype=F32), axis=axis, keepdims=True, last=True)
    return _without(b, found, axis, keepdim), _without(b, places, axis, keepdim)


def _nth(b: TorchBuilder, x: Value, n: Dim, axis: int) -> tuple[Value, Value]:
    """The element at place n of sorted x and its index; the axis is kept."""
    found = b.topk(x, k=n + 1, axis=axis, largest=False)
    values, places = (b.slice(each, axes=(axis,), starts=(n,), stops=(n + 1,), steps=(1,)) for each in found)
    return values, places


def _and(b: TorchBuilder, flat: Value, number: float) -> Value:
    """A vector and one more element, so that it has any."""
    return b.concat(flat, b.full(b.const(number, flat.dtype), shape=(1,)), axis=0)


def _middle(size: Dim) -> Dim:
    return maximum(floordiv(size - 1, 2), 0)


def _first(b: TorchBuilder, x: Value, found: Value, axis: int) -> Value:
    """The first place where x is `found`, and for NaN the first NaN; the axis is kept."""
    same = b.equal(x, found)
    if x.dtype.is_float:
        same = b.logical_or(same, b.logical_and(b.is_nan(x), b.is_nan(found)))
    return b.argmax(b.cast(same, dtype=F32), axis=axis, keepdims=True)


def _without(b: TorchBuilder, x: Value, axis: int, keepdim: bool) -> Value:
    """x as a reduction gives it: without the axis, unless it is kept."""
    return x if keepdim else b.reshape(x, shape=tuple(d for i, d in enumerate(x.shape) if i != axis))
