"""Ops that move elements about. Sizes stand in attributes as dimensions; the `dynamic_` forms take them as operands,
for sizes that only running can tell.
"""

from __future__ import annotations

import builtins
from typing import Any, Literal

import numpy as np

from isthmus.ir.dim import UNKNOWN, Dim, Shape, ceildiv, less_equal, product
from isthmus.ir.errors import TypeRuleError
from isthmus.ir.op import SYMBOLIC, Any_, Index, op
from isthmus.ir.ops.infer import check_axes, check_rank, check_same, check_shape
from isthmus.ir.types import I64, Array, TensorType


def _shape_of(x: TensorType) -> TensorType:
    return TensorType(I64, (x.rank,))


@op(infer=_shape_of)
def shape_of(x: Any_) -> Array:
    """The sizes of x as an i64 vector."""
    return np.array(x.shape, np.int64)


def _reshape(x: TensorType, *, shape: Shape) -> TensorType:
    check_shape(shape)
    check_same(f"element counts of {x} and [{', '.join(map(str, shape))}]", x.numel(), product(shape))
    return x.with_shape(shape)


@op(infer=_reshape, traits=SYMBOLIC)
def reshape(x: Any_, *, shape: tuple[Dim, ...]) -> Array:
    """The elements of x in row-major order as `shape`."""
    return np.reshape(x, shape)  # type: ignore[arg-type]


def _dynamic_reshape(x: TensorType, shape: TensorType) -> TensorType:
    return x.with_shape((UNKNOWN,) * _length(shape))


@op(infer=_dynamic_reshape)
def dynamic_reshape(x: Any_, shape: Index) -> Array:
    """reshape to a computed `shape`, in which one -1 stands for what remains."""
    return np.reshape(x, tuple(shape))


def _expand(x: TensorType, *, shape: Shape) -> TensorType:
    check_shape(shape)
    if len(shape) < x.rank:
        raise TypeRuleError(f"{x} cannot shrink to [{', '.join(map(str, shape))}]")
    for have, want in zip(x.shape, shape[len(shape) - x.rank :], strict=True):
        if have != 1:
            check_same(f"expanding {x}", have, want)
    return x.with_shape(shape)


@op(infer=_expand)
def expand(x: Any_, *, shape: tuple[Dim, ...]) -> Array:
    """x broadcast to exactly `shape`: dimensions of size 1, and missing leading ones, repeat."""
    return np.broadcast_to(x, shape)  # type: ignore[arg-type]


def _dynamic_expand(x: TensorType, shape: TensorType) -> TensorType:
    return x.with_shape((UNKNOWN,) * max(x.rank, _length(shape)))


@op(infer=_dynamic_expand)
def dynamic_expand(x: Any_, shape: Index) -> Array:
    """x and a computed `shape` broadcast against each other: a 1 in either gives way to the other."""
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape)))


def _transpose(x: TensorType, *, perm: tuple[int, ...]) -> TensorType:
    if sorted(perm) != list(range(x.rank)):
        raise TypeRuleError(f"perm {list(perm)} is no permutation of the {x.rank} axes of {x}")
    return x.with_shape(x.shape[i] for i in perm)


@op(infer=_transpose)
def transpose(x: Any_, *, perm: tuple[int, ...]) -> Array:
    """Dimension i of the result is dimension perm[i] of x."""
    return np.transpose(x, perm)


def _concat(*xs: TensorType, axis: int) -> TensorType:
    if not xs:
        raise TypeRuleError("takes at least one operand")
    check_axes((axis,), xs[0].rank)
    sizes = list(xs[0].shape)
    for x in xs[1:]:
        check_rank("every operand", x, xs[0].rank)
        for i, size in enumerate(x.shape):
            if i == axis:
                sizes[i] = sizes[i] + size
            else:
                check_same(f"dimension {i} of {xs[0]} and {x}", sizes[i], size)
                sizes[i] = size if isinstance(size, int) else sizes[i]
    return xs[0].with_shape(sizes)


@op(infer=_concat, traits=SYMBOLIC)
def concat(*xs: Any_, axis: int) -> Array:
    """The operands one after another along `axis`."""
    return np.concatenate(xs, axis=axis)


def _split(x: TensorType, *, axis: int, sizes: Shape) -> list[TensorType]:
    check_axes((axis,), x.rank)
    check_shape(sizes)
    check_same(f"size {x.shape[axis]} and sum of sizes", x.shape[axis], _total(sizes))
    return [x.with_shape(size if i == axis else d for i, d in enumerate(x.shape)) for size in sizes]


@op(infer=_split, traits=SYMBOLIC)
def split(x: Any_, *, axis: int, sizes: tuple[Dim, ...]) -> tuple[Array, ...]:
    """Consecutive parts of x along `axis`, of the given sizes, which add up to all of it."""
    ends = np.cumsum(np.array(sizes, np.int64))
    return tuple(np.split(x, ends[:-1], axis=axis))


def _slice(x: TensorType, *, axes: tuple[int, ...], starts: Shape, stops: Shape, steps: tuple[int, ...]) -> TensorType:
    check_axes(axes, x.rank)
    if not len(axes) == len(starts) == len(stops) == len(steps):
        raise TypeRuleError("axes, starts, stops and steps must be equally long")
    sizes = list(x.shape)
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        if step < 1:
            raise TypeRuleError(f"step {step} is not positive", hint="reverse the axis first")
        ordered = (less_equal(0, start), less_equal(start, stop), less_equal(stop, x.shape[axis]))
        if False in ordered:
            raise TypeRuleError(f"{start}..{stop} does not lie in 0..{x.shape[axis]} of axis {axis}")
        sizes[axis] = ceildiv(stop - start, step)
    return x.with_shape(sizes)


@op(infer=_slice, traits=SYMBOLIC)
def slice(
    x: Any_, *, axes: tuple[int, ...], starts: tuple[Dim, ...], stops: tuple[Dim, ...], steps: tuple[int, ...]
) -> Array:
    """Every steps[i]-th element from starts[i] up to, not with, stops[i] of axes[i]; 0 <= start <= stop <= size."""
    return x[_windows(x, axes, starts, stops, steps)]


def _reverse(x: TensorType, *, axes: tuple[int, ...]) -> TensorType:
    check_axes(axes, x.rank)
    return x


@op(infer=_reverse, traits=SYMBOLIC)
def reverse(x: Any_, *, axes: tuple[int, ...]) -> Array:
    """x with the order of elements along `axes` reversed."""
    return np.flip(x, axes)


def _dynamic_slice(
    x: TensorType, starts: TensorType, stops: TensorType, *, axes: tuple[int, ...], steps: tuple[int, ...]
) -> TensorType:
    check_axes(axes, x.rank)
    if not len(axes) == _length(starts) == _length(stops) == len(steps):
        raise TypeRuleError("axes, starts, stops and steps must be equally long")
    if 0 in steps:
        raise TypeRuleError("a step is zero")
    return x.with_shape(UNKNOWN if i in axes else d for i, d in enumerate(x.shape))


@op(infer=_dynamic_slice)
def dynamic_slice(x: Any_, starts: Index, stops: Index, *, axes: tuple[int, ...], steps: tuple[int, ...]) -> Array:
    """slice with computed bounds, which are clamped and count from the end where negative, as in Python.

    With a negative step, a stop below -size means before the first element.
    """
    bounds: list[Any] = [None if int(e) < -x.shape[a] else int(e) for a, e in zip(axes, stops, strict=True)]
    last = [None if e is None and s < 0 else 0 if e is None else e for e, s in zip(bounds, steps, strict=True)]
    return x[_windows(x, axes, [int(s) for s in starts], last, steps)]


def _pad(x: TensorType, value: TensorType | None, *, pads: tuple[tuple[Dim, Dim], ...], mode: str) -> TensorType:
    if len(pads) != x.rank:
        raise TypeRuleError(f"{len(pads)} pads for rank {x.rank}")
    check_shape(tuple(side for pair in pads for side in pair))
    _check_fill(value, mode)
    return x.with_shape(d + low + high for d, (low, high) in zip(x.shape, pads, strict=True))


_Mode = Literal["constant", "reflect", "edge", "wrap"]


@op(infer=_pad)
def pad(x: Any_, value: Any_ | None = None, *, pads: tuple[tuple[Dim, Dim], ...], mode: _Mode = "constant") -> Array:
    """x with pads[i] = (before, after) more elements along each axis.

    They are the scalar `value` (0 if absent), x mirrored without its edge (reflect), its edge, or x again (wrap).
    """
    return _padded(x, value, pads, mode)


def _dynamic_pad(x: TensorType, pads: TensorType, value: TensorType | None, *, mode: str) -> TensorType:
    if _length(pads) != 2 * x.rank:
        raise TypeRuleError(f"{_length(pads)} pads for rank {x.rank}")
    _check_fill(value, mode)
    return x.with_shape((UNKNOWN,) * x.rank)


@op(infer=_dynamic_pad)
def dynamic_pad(x: Any_, pads: Index, value: Any_ | None = None, *, mode: _Mode = "constant") -> Array:
    """pad by computed amounts: all befores, then all afters; a negative amount removes elements."""
    pairs = list(zip(pads[: x.ndim].tolist(), pads[x.ndim :].tolist(), strict=True))
    kept = tuple(
        builtins.slice(max(-low, 0), size - max(-high, 0)) for size, (low, high) in zip(x.shape, pairs, strict=True)
    )
    return _padded(x[kept], value, tuple((max(low, 0), max(high, 0)) for low, high in pairs), mode)


def _tile(x: TensorType, *, repeats: Shape) -> TensorType:
    if len(repeats) != x.rank:
        raise TypeRuleError(f"{len(repeats)} repeats for rank {x.rank}")
    check_shape(repeats)
    return x.with_shape(d * n for d, n in zip(x.shape, repeats, strict=True))


@op(infer=_tile)
def tile(x: Any_, *, repeats: tuple[Dim, ...]) -> Array:
    """x laid out repeats[i] times along axis i."""
    return np.tile(x, repeats)  # type: ignore[arg-type]


def _dynamic_tile(x: TensorType, repeats: TensorType) -> TensorType:
    if _length(repeats) != x.rank:
        raise TypeRuleError(f"{_length(repeats)} repeats for rank {x.rank}")
    return x.with_shape((UNKNOWN,) * x.rank)


@op(infer=_dynamic_tile)
def dynamic_tile(x: Any_, repeats: Index) -> Array:
    """tile by computed repeats."""
    return np.tile(x, tuple(repeats))


def _length(vector: TensorType) -> int:
    if vector.rank != 1 or not isinstance(vector.shape[0], int):
        raise TypeRuleError(f"{vector} must be a vector of known length")
    return vector.shape[0]


def _total(sizes: Shape) -> Dim:
    total: Dim = 0
    for size in sizes:
        total = total + size
    return total


def _windows(x: Array, axes: Any, starts: Any, stops: Any, steps: Any) -> tuple[builtins.slice, ...]:
    windows = [builtins.slice(None)] * x.ndim
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        windows[axis] = builtins.slice(start, stop, step)
    return tuple(windows)


def _check_fill(value: TensorType | None, mode: str) -> None:
    if value is not None and (value.rank or mode != "constant"):
        raise TypeRuleError(f"value {value} with mode {mode!r}: only constant padding takes one, and it is a scalar")


def _padded(x: Array, value: Array | None, pads: Any, mode: str) -> Array:
    if mode == "constant":
        fill = np.zeros((), x.dtype) if value is None else value
        return np.pad(x, pads, constant_values=fill)
    return np.pad(x, pads, mode=mode)  # type: ignore[call-overload]
