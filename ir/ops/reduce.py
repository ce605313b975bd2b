"""Reductions, scans and selections along axes. Axes count from 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.ir.dim import Dim
from isthmus.ir.op import SYMBOLIC, Bool, Float, Num, Trait, op
from isthmus.ir.ops.infer import along_axis, check_axes, reduction
from isthmus.ir.precision import WIDE, fragile
from isthmus.ir.types import I64, Array, TensorType

if TYPE_CHECKING:
    from isthmus.ir.builder import Builder
    from isthmus.ir.graph import Value


_LONG = "a long sum leaves the range, and a rounded one hides what is added last"


@op(infer=reduction(), traits=SYMBOLIC, precision=fragile(_LONG))
def reduce_sum(x: Num, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Sum over `axes`; 0 for no elements. Integers wrap around."""
    return np.sum(x, axis=axes, keepdims=keepdims)


@op(infer=reduction(), traits=SYMBOLIC, precision=fragile("a product multiplies relative errors and leaves the range"))
def reduce_prod(x: Num, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Product over `axes`; 1 for no elements. Integers wrap around."""
    return np.prod(x, axis=axes, keepdims=keepdims)


@op(infer=reduction(), precision=WIDE)
def reduce_mean(x: Float, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Arithmetic mean over `axes`; NaN for no elements."""
    if 0 in (x.shape[axis] for axis in axes):  # which numpy warns of
        return np.full_like(np.sum(x, axis=axes, keepdims=keepdims), np.nan)
    return np.mean(x, axis=axes, keepdims=keepdims)


@op(infer=reduction())
def reduce_max(x: Num, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Greatest element over `axes`, NaN if any is; minus infinity (the least integer) for no elements."""
    return np.max(x, axis=axes, keepdims=keepdims, initial=_extreme(x, -1))


@op(infer=reduction())
def reduce_min(x: Num, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Least element over `axes`, NaN if any is; infinity (the greatest integer) for no elements."""
    return np.min(x, axis=axes, keepdims=keepdims, initial=_extreme(x, 1))


@op(infer=reduction())
def reduce_all(x: Bool, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Whether all elements over `axes` hold."""
    return np.all(x, axis=axes, keepdims=keepdims)


@op(infer=reduction())
def reduce_any(x: Bool, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """Whether any element over `axes` holds."""
    return np.any(x, axis=axes, keepdims=keepdims)


@op(infer=reduction(), traits=frozenset({Trait.COMPOSITE}), precision=fragile("exponentials are summed"))
def log_sum_exp(x: Float, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    """log(sum(exp(x))) over `axes`, computed after subtracting the maximum where that is finite."""
    top = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    total = np.log(np.sum(np.exp(x - top), axis=axes, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axes)


@log_sum_exp.decomposition
def _(b: Builder, x: Value, *, axes: tuple[int, ...], keepdims: bool) -> Value:
    top = b.reduce_max(x, axes=axes, keepdims=True)
    top = b.where(b.logical_or(b.is_inf(top), b.is_nan(top)), 0.0, top)
    total = b.add(b.log(b.reduce_sum(b.exp(b.sub(x, top)), axes=axes, keepdims=True)), top)
    if keepdims:
        return total
    return b.reshape(total, shape=tuple(d for i, d in enumerate(total.shape) if i not in axes))


def _arg(x: TensorType, *, axis: int, keepdims: bool, last: bool) -> TensorType:
    check_axes((axis,), x.rank)
    kept = [1 if i == axis else d for i, d in enumerate(x.shape) if keepdims or i != axis]
    return TensorType(I64, tuple(kept))


@op(infer=_arg)
def argmax(x: Num, *, axis: int, keepdims: bool = False, last: bool = False) -> Array:
    """Index of the greatest element along `axis`: the first one, or the `last`. NaN counts as greatest."""
    return _first_or_last(np.argmax, x, axis, keepdims, last)


@op(infer=_arg)
def argmin(x: Num, *, axis: int, keepdims: bool = False, last: bool = False) -> Array:
    """Index of the least element along `axis`: the first one, or the `last`. NaN counts as least."""
    return _first_or_last(np.argmin, x, axis, keepdims, last)


@op(infer=along_axis, precision=fragile("each sum adds to the error of the one before"))
def cumsum(x: Num, *, axis: int, exclusive: bool = False, reverse: bool = False) -> Array:
    """Running sum along `axis`; `exclusive` leaves the own element out, `reverse` runs from the end."""
    ordered = np.flip(x, axis) if reverse else x
    total = np.cumsum(ordered, axis=axis, dtype=x.dtype)
    if exclusive:
        total = np.roll(total, 1, axis)
        total[(slice(None),) * axis + (slice(0, 1),)] = 0
    return np.flip(total, axis) if reverse else total


def _topk(x: TensorType, *, k: Dim, axis: int, largest: bool) -> tuple[TensorType, TensorType]:
    check_axes((axis,), x.rank)
    values = x.with_shape(k if i == axis else d for i, d in enumerate(x.shape))
    return values, values.with_dtype(I64)


@op(infer=_topk)
def topk(x: Num, *, k: Dim, axis: int, largest: bool = True) -> tuple[Array, Array]:
    """The `k` largest (or smallest) elements along `axis` in order, and their indices; of equals, the first wins."""
    if largest:  # sorting the flipped array and reading it backwards keeps the first of equals first
        order = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
    else:
        order = np.argsort(x, axis=axis, kind="stable")
    indices = np.take(order, np.arange(k), axis=axis)  # type: ignore[arg-type]
    return np.take_along_axis(x, indices, axis), indices


def _first_or_last(find: object, x: Array, axis: int, keepdims: bool, last: bool) -> Array:
    assert callable(find)
    if not last:
        return np.asarray(find(x, axis=axis, keepdims=keepdims))
    return x.shape[axis] - 1 - np.asarray(find(np.flip(x, axis), axis=axis, keepdims=keepdims))


def _extreme(x: Array, sign: int) -> Any:
    if x.dtype.kind in "iu":
        return np.iinfo(x.dtype).max if sign > 0 else np.iinfo(x.dtype).min
    return sign * np.inf
