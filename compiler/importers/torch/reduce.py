"""Reductions, differences and sorting along axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.compiler.importers.torch.args import axes_of, axis_of, cast, floated, promoted, truth
from isthmus.compiler.importers.torch.builder import Number, TorchBuilder
from isthmus.compiler.importers.torch.schema import AtenLowering, aten
from isthmus.ir.dim import Dim
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, F32, I64, U8

Axes = int | Sequence[int] | None


def reduced(b: TorchBuilder, name: str, x: Value, axes: tuple[int, ...], keepdims: bool = False) -> Value:
    """A reduction of the table; over no axes at all it is x."""
    found: Value = b.create(name, (x,), {"axes": axes, "keepdims": keepdims}).result
    return found


def _typed(op: str, name: str) -> AtenLowering[Value]:
    @aten(op)
    def reduction(b: TorchBuilder, x: Value, dim: Axes = None, keepdim: bool = False, dtype: Any = None) -> Value:
        """In the type of the result: integers and truth values are summed in i64."""
        return reduced(b, name, cast(b, x, b.wanted_dtype()), axes_of(dim, x.rank), keepdim)

    return reduction


def _truth(op: str, name: str) -> AtenLowering[Value]:
    @aten(op)
    def reduction(b: TorchBuilder, x: Value, dim: Axes = None, keepdim: bool = False) -> Value:
        """torch answers for u8 in u8."""
        found = reduced(b, name, truth(b, x), axes_of(dim, x.rank), keepdim)
        return cast(b, found, U8) if x.dtype == U8 else found

    return reduction


typed = (_typed("sum", "reduce_sum"), _typed("mean", "reduce_mean"), _typed("prod", "reduce_prod"))
truths = (_truth("any", "reduce_any"), _truth("all", "reduce_all"))


@aten("amax")
def amax(b: TorchBuilder, x: Value, dim: Axes = None, keepdim: bool = False) -> Value:
    name = "reduce_any" if x.dtype == BOOL else "reduce_max"
    return reduced(b, name, x, axes_of(dim, x.rank), keepdim)


@aten("amin")
def amin(b: TorchBuilder, x: Value, dim: Axes = None, keepdim: bool = False) -> Value:
    name = "reduce_all" if x.dtype == BOOL else "reduce_min"
    return reduced(b, name, x, axes_of(dim, x.rank), keepdim)


@aten("max.default")
def max_all(b: TorchBuilder, x: Value) -> Value:
    return amax(b, x)


@aten("min.default")
def min_all(b: TorchBuilder, x: Value) -> Value:
    return amin(b, x)


@aten("max.dim")
def max_dim(b: TorchBuilder, x: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    return amax(b, x, dim, keepdim), argmax(b, x, dim, keepdim)


@aten("min.dim")
def min_dim(b: TorchBuilder, x: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    return amin(b, x, dim, keepdim), argmin(b, x, dim, keepdim)


@aten("aminmax")
def aminmax(b: TorchBuilder, x: Value, dim: int | None = None, keepdim: bool = False) -> tuple[Value, Value]:
    return amin(b, x, dim, keepdim), amax(b, x, dim, keepdim)


@aten("argmax")
def argmax(b: TorchBuilder, x: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    return _extreme(b, "argmax", x, dim, keepdim)


@aten("argmin")
def argmin(b: TorchBuilder, x: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    return _extreme(b, "argmin", x, dim, keepdim)


@aten("logsumexp")
def logsumexp(b: TorchBuilder, x: Value, dim: Axes, keepdim: bool = False) -> Value:
    return reduced(b, "log_sum_exp", floated(b, x), axes_of(dim, x.rank), keepdim)


@aten("var")
def var(
    b: TorchBuilder,
    x: Value,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    correction: Number | None = None,
) -> Value:
    return _moments(b, x, dim, unbiased, keepdim, correction)[0]


@aten("std")
def std(
    b: TorchBuilder,
    x: Value,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    correction: Number | None = None,
) -> Value:
    return b.sqrt(_moments(b, x, dim, unbiased, keepdim, correction)[0])


@aten("var_mean")
def var_mean(
    b: TorchBuilder,
    x: Value,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    correction: Number | None = None,
) -> tuple[Value, Value]:
    return _moments(b, x, dim, unbiased, keepdim, correction)


@aten("std_mean")
def std_mean(
    b: TorchBuilder,
    x: Value,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    correction: Number | None = None,
) -> tuple[Value, Value]:
    variance, mean = _moments(b, x, dim, unbiased, keepdim, correction)
    return b.sqrt(variance), mean


@aten("diff")
def diff(
    b: TorchBuilder, x: Value, n: int = 1, dim: int = -1, prepend: Value | None = None, append: Value | None = None
) -> Value:
    """Each element less the one before it, n times over; for truth values whether they differ."""
    axis = axis_of(dim, x.rank)
    parts = [each for each in (prepend, x, append) if each is not None]
    x = b.concat(*promoted(b, *parts), axis=axis) if len(parts) > 1 else x
    for _ in range(n):
        size = x.shape[axis]
        later, earlier = (
            b.slice(x, axes=(axis,), starts=(first,), stops=(last,), steps=(1,))
            for first, last in ((1, size), (0, size - 1))
        )
        x = b.logical_xor(later, earlier) if x.dtype == BOOL else b.sub(later, earlier)
    return x


@aten("topk")
def topk(
    b: TorchBuilder, x: Value, k: Dim, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Value, Value]:
    """Always sorted: an unsorted result may stand in any order."""
    if x.rank == 0:
        return x, b.const(0)
    values, indices = b.topk(x, k=k, axis=axis_of(dim, x.rank), largest=largest)
    return values, indices


@aten("sort")
def sort(
    b: TorchBuilder, x: Value, dim: int = -1, descending: bool = False, stable: bool | None = None
) -> tuple[Value, Value]:
    if x.rank == 0:
        return x, b.const(0)
    axis = axis_of(dim, x.rank)
    if x.dtype == BOOL:
        values, indices = b.topk(cast(b, x, I64), k=x.shape[axis], axis=axis, largest=descending)
        return cast(b, values, BOOL), indices
    values, indices = b.topk(x, k=x.shape[axis], axis=axis, largest=descending)
    return values, indices


@aten("argsort")
def argsort(b: TorchBuilder, x: Value, dim: int = -1, descending: bool = False, stable: bool = False) -> Value:
    return sort(b, x, dim, descending)[1]


def _extreme(b: TorchBuilder, name: str, x: Value, dim: int | None, keepdim: bool) -> Value:
    x = _orderable(b, x)
    if x.rank == 0:
        return b.const(0)
    if dim is None:
        y: Value = b.create(name, (b.reshape(x, shape=(x.type.numel(),)),), {"axis": 0, "keepdims": False}).result
        return b.reshape(y, shape=(1,) * x.rank) if keepdim else y
    found: Value = b.create(name, (x,), {"axis": axis_of(dim, x.rank), "keepdims": keepdim}).result
    return found


def _orderable(b: TorchBuilder, x: Value) -> Value:
    """Truth values, also as integers, become floats: every engine orders those."""
    source = x.node.inputs[0] if x.node is not None and x.node.op.name == "cast" else x
    return b.cast(source, dtype=F32) if source.dtype == BOOL else x


def _moments(
    b: TorchBuilder, x: Value, dim: Axes, unbiased: bool, keepdim: bool, correction: Number | None
) -> tuple[Value, Value]:
    """Variance with `correction` (1 where unbiased) taken from the count, and mean."""
    axes = axes_of(dim, x.rank)
    less = (1 if unbiased else 0) if correction is None else correction
    mean = b.reduce_mean(x, axes=axes, keepdims=True)
    centred = b.sub(x, mean)
    squares = b.mul(centred, centred)
    if less == 0:
        variance = b.reduce_mean(squares, axes=axes, keepdims=keepdim)
    else:
        total = b.reduce_sum(squares, axes=axes, keepdims=keepdim)
        variance = b.div(total, _count(b, x, axes, less))
    return variance, mean if keepdim else b.reduce_mean(x, axes=axes)


def _count(b: TorchBuilder, x: Value, axes: tuple[int, ...], less: Number) -> Value:
    count: Dim = 1
    for axis in axes:
        count = count * x.shape[axis]
    if isinstance(count, int) and isinstance(less, int | float):
        return b.const(float(max(count - less, 0)), x.dtype)
    if not isinstance(less, int):
        raise UnsupportedModel("a variance over symbolic sizes with a correction that is no integer")
    wide = b.cast(b.reshape(b.dims((count - less,)), shape=()), dtype=F32)
    return cast(b, wide, x.dtype)
