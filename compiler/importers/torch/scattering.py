"""Ops that write elements, or add to them, at computed indices."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from isthmus.compiler.importers.torch.args import axis_of, expanded, index_of, reshaped, tensor
from isthmus.compiler.importers.torch.builder import Number, Scalar, TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import product
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, I64, DType

_How: TypeAlias = Literal["none", "add", "mul", "max", "min"]
_REDUCTIONS: dict[str, _How] = {
    "sum": "add",
    "add": "add",
    "prod": "mul",
    "multiply": "mul",
    "amax": "max",
    "amin": "min",
}


@aten("scatter.src", "scatter.value", "scatter.reduce", "scatter.value_reduce")
def scatter(
    b: TorchBuilder,
    x: Value,
    dim: int,
    index: Value,
    src: Value | None = None,
    value: Number | None = None,
    reduce: str | None = None,
) -> Value:
    how: _How = "none" if reduce is None else _REDUCTIONS[reduce]
    updates = b.full(tensor(b, 0 if value is None else value, x.dtype), shape=index.shape) if src is None else src
    return _scattered(b, x, dim, index, updates, how)


@aten("scatter_add")
def scatter_add(b: TorchBuilder, x: Value, dim: int, index: Value, src: Value) -> Value:
    return _scattered(b, x, dim, index, src, "add")


@aten("scatter_reduce")
def scatter_reduce(
    b: TorchBuilder, x: Value, dim: int, index: Value, src: Value, reduce: str, include_self: bool = True
) -> Value:
    """What is written to one place is reduced, the old value with it unless `include_self` says otherwise."""
    if x.rank == 0:
        x, index, src = (b.reshape(each, shape=(1,)) if each.rank == 0 else each for each in (x, index, src))
        return b.reshape(scatter_reduce(b, x, 0, index, src, reduce, include_self), shape=())
    axis, places = axis_of(dim, x.rank), index_of(b, index)
    return _combined(b, x, axis, places, _cut(b, tensor(b, src, x.dtype), index), reduce, include_self)


@aten("index_reduce")
def index_reduce(
    b: TorchBuilder, x: Value, dim: int, index: Value, source: Value, reduce: str, include_self: bool = True
) -> Value:
    """The same for whole slices."""
    rows, axis = reshaped(b, x, x.shape or (1,)), axis_of(dim, x.rank)
    places, source = _slices(b, rows, axis, index, source)
    return reshaped(b, _combined(b, rows, axis, places, source, reduce, include_self), x.shape)


@aten("index_add")
def index_add(b: TorchBuilder, x: Value, dim: int, index: Value, source: Value, alpha: Number = 1) -> Value:
    added = source if alpha == 1 else b.mul(source, tensor(b, alpha, source.dtype))
    return _by_slices(b, x, dim, index, added, "add")


@aten("index_copy")
def index_copy(b: TorchBuilder, x: Value, dim: int, index: Value, source: Value) -> Value:
    return _by_slices(b, x, dim, index, source, "none")


@aten("index_fill")
def index_fill(b: TorchBuilder, x: Value, dim: int, index: Value, value: Scalar) -> Value:
    axis = axis_of(dim, x.rank)
    shape = (*x.shape[:axis], index.type.numel(), *x.shape[axis + 1 :])  # of a number: as many as there are indices
    return _by_slices(b, x, dim, index, b.full(tensor(b, value, x.dtype), shape=shape), "none")


@aten("put")
def put(b: TorchBuilder, x: Value, index: Value, source: Value, accumulate: bool = False) -> Value:
    """Indices count through the whole of x."""
    flat = reshaped(b, x, (x.type.numel(),))
    places = reshaped(b, index_of(b, index), (index.type.numel(),))
    updates = reshaped(b, source, (source.type.numel(),))
    written = b.scatter_elements(flat, places, updates, axis=0, reduction="add" if accumulate else "none")
    return reshaped(b, written, x.shape)


@aten("masked_scatter")
def masked_scatter(b: TorchBuilder, x: Value, mask: Value, source: Value) -> Value:
    """The k-th element where the mask holds is the k-th of `source`."""
    mask = expanded(b, mask, x.shape)
    count = x.type.numel()
    flat = b.cast(b.reshape(mask, shape=(count,)), dtype=I64)
    turn = b.maximum(b.sub(b.cumsum(flat, axis=0), 1), 0)
    values = b.gather(b.reshape(source, shape=(source.type.numel(),)), turn, axis=0)
    return b.where(mask, b.reshape(values, shape=x.shape), x)


def _scattered(b: TorchBuilder, x: Value, dim: int, index: Value, src: Value, how: _How) -> Value:
    axis = axis_of(dim, x.rank)
    updates = _cut(b, tensor(b, src, x.dtype), index)
    return b.scatter_elements(x, index_of(b, index), updates, axis=axis, reduction=how)


def _cut(b: TorchBuilder, updates: Value, index: Value) -> Value:
    """Updates in the shape of the indices: torch takes more of them, and leaves the rest."""
    if updates.shape == index.shape:
        return updates
    cut = tuple(range(index.rank))
    return b.slice(updates, axes=cut, starts=(0,) * len(cut), stops=index.shape, steps=(1,) * len(cut))


def _combined(
    b: TorchBuilder, x: Value, axis: int, places: Value, updates: Value, reduce: str, include_self: bool
) -> Value:
    how = "add" if reduce == "mean" else _REDUCTIONS[reduce]
    if not include_self:
        neutral = b.full(b.const(_neutral(x.dtype, how), x.dtype), shape=updates.shape)
        x = b.scatter_elements(x, places, neutral, axis=axis)
    found = b.scatter_elements(x, places, updates, axis=axis, reduction=how)
    if reduce != "mean":
        return found
    one = b.const(1, x.dtype)
    before = b.full(b.const(int(include_self), x.dtype), shape=x.shape)
    counted = b.scatter_elements(before, places, b.full(one, shape=updates.shape), axis=axis, reduction="add")
    divide = b.div if x.dtype.is_float else b.floor_div
    return divide(found, b.maximum(counted, one))


def _neutral(dtype: DType, how: _How) -> float:
    """What changes nothing it is combined with."""
    if how in ("none", "add", "mul"):
        return int(how == "mul")
    if dtype == BOOL:
        return how == "min"
    if dtype.is_float:
        return math.inf if how == "min" else -math.inf
    limits = np.iinfo(dtype.numpy)
    return int(limits.max if how == "min" else limits.min)


def _by_slices(b: TorchBuilder, x: Value, dim: int, index: Value, source: Value, how: _How) -> Value:
    rows, axis = reshaped(b, x, x.shape or (1,)), axis_of(dim, x.rank)
    places, source = _slices(b, rows, axis, index, source)
    return reshaped(b, b.scatter_elements(rows, places, source, axis=axis, reduction=how), x.shape)


def _slices(b: TorchBuilder, x: Value, axis: int, index: Value, source: Value) -> tuple[Value, Value]:
    """Indices of slices as indices of their elements, and the source in their shape."""
    count = product(index.shape)
    rows = reshaped(b, index_of(b, index), tuple(count if i == axis else 1 for i in range(x.rank)))
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    return b.expand(rows, shape=shape), reshaped(b, source, shape)
