"""Tensors from nothing: constants, dimensions as data, ranges and seeded random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.ir.constant import Constant
from isthmus.ir.dim import UNKNOWN, Dim, bounds
from isthmus.ir.errors import TypeRuleError
from isthmus.ir.op import Any_, Num, op
from isthmus.ir.ops.infer import check_axes, check_rank, check_shape
from isthmus.ir.precision import fragile
from isthmus.ir.types import I64, Array, DType, TensorType


def _const(*, data: Constant) -> TensorType:
    return data.type


@op(infer=_const)
def const(*, data: Constant) -> Array:
    """The contents of `data`."""
    return data.array


def _dims(*, dims: tuple[Dim, ...]) -> TensorType:
    return TensorType(I64, (len(dims),))


@op(infer=_dims)
def dims(*, dims: tuple[Dim, ...]) -> Array:
    """Dimension expressions as an i64 vector: what is left of a shape computation that ends in data."""
    return np.array(dims, np.int64)


def _full(value: TensorType, *, shape: tuple[Dim, ...]) -> TensorType:
    check_rank("value", value, 0)
    check_shape(shape)
    return value.with_shape(shape)


@op(infer=_full)
def full(value: Any_, *, shape: tuple[Dim, ...]) -> Array:
    """A tensor of `shape` with every element equal to the scalar `value`."""
    return np.broadcast_to(value, shape)  # type: ignore[arg-type]


def _made(*, dtype: DType, shape: tuple[Dim, ...], **rest: Any) -> TensorType:
    check_shape(shape)
    if "axis" in rest:
        check_axes((rest["axis"],), len(shape))
    return TensorType(dtype, shape)


@op(infer=_made, precision=fragile("counts beyond what a narrow type tells apart"))
def iota(*, dtype: DType, shape: tuple[Dim, ...], axis: int) -> Array:
    """0, 1, 2, ... along `axis`, repeated along the others."""
    column = np.arange(shape[axis]).astype(dtype.numpy)  # type: ignore[arg-type]
    return np.broadcast_to(column.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape)  # type: ignore[arg-type]


def _dynamic_iota(start: TensorType, limit: TensorType, step: TensorType) -> TensorType:
    for name, each in (("start", start), ("limit", limit), ("step", step)):
        check_rank(name, each, 0)
    return TensorType(start.dtype, (UNKNOWN,))


@op(infer=_dynamic_iota, precision=fragile("counts beyond what a narrow type tells apart"))
def dynamic_iota(start: Num, limit: Num, step: Num) -> Array:
    """start, start + step, ... below `limit` (above it where step is negative), as numpy.arange of scalars."""
    count = max(int(np.ceil((limit - start) / step)), 0)
    return start + np.arange(count).astype(start.dtype) * step


def _random(*, dtype: DType, shape: tuple[Dim, ...], **rest: Any) -> TensorType:
    if not dtype.is_float:
        raise TypeRuleError(f"random numbers are floating point, not {dtype}")
    if any(bounds(d)[0] is None for d in shape):
        raise TypeRuleError("a size may be negative")
    return TensorType(dtype, shape)


@op(infer=_random, precision=fragile("drawn in the type it names"))
def random_uniform(
    *, dtype: DType, shape: tuple[Dim, ...], low: float = 0.0, high: float = 1.0, seed: int = 0
) -> Array:
    """Uniform in [low, high): numpy's default generator seeded with `seed`, so every run gives the same numbers."""
    return np.random.default_rng(seed).uniform(low, high, shape)  # type: ignore[arg-type]


@op(infer=_random, precision=fragile("drawn in the type it names"))
def random_normal(
    *, dtype: DType, shape: tuple[Dim, ...], mean: float = 0.0, scale: float = 1.0, seed: int = 0
) -> Array:
    """Normal with `mean` and standard deviation `scale`, seeded as `random_uniform`."""
    return np.random.default_rng(seed).normal(mean, scale, shape)  # type: ignore[arg-type]
