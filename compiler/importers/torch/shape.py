"""Ops that rearrange elements. What torch says of the result is the shape to make: -1 is resolved there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.compiler.importers.torch.args import (
    axes_of,
    axis_of,
    cast,
    common_dtype,
    expanded,
    permuted,
    promoted,
    reshaped,
    tensor,
)
from isthmus.compiler.importers.torch.builder import Scalar, TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import Dim, equal, minimum
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64

Sizes = Sequence[Dim]

# -- what is the same tensor ------------------------------------------------------------------------------------------


@aten(
    *("alias", "clone", "contiguous", "detach", "detach_", "lift", "lift_fresh", "lift_fresh_copy", "positive"),
    *("resolve_conj", "resolve_neg", "pin_memory"),
)
def identity(b: TorchBuilder, x: Value) -> Value:
    return x


@aten("copy")
def copy(b: TorchBuilder, x: Value, src: Scalar) -> Value:
    """`src` in the type and shape of x."""
    return expanded(b, tensor(b, src, x.dtype), x.shape)


# -- reshape and broadcast --------------------------------------------------------------------------------------------


@aten("view.default", "reshape", "_unsafe_view", "view_as", "reshape_as", "_reshape_alias", "flatten", "unflatten")
def reshape(
    b: TorchBuilder,
    x: Value,
    size: Sizes = (),
    shape: Sizes = (),
    sizes: Sizes = (),
    stride: Sizes = (),
    other: Value | None = None,
    start_dim: int = 0,
    end_dim: int = -1,
    dim: int = 0,
) -> Value:
    return reshaped(b, x, b.wanted().shape)


@aten("squeeze", "unsqueeze", "ravel", "atleast_1d.default", "atleast_2d.default", "atleast_3d.default")
def squeeze(b: TorchBuilder, x: Value, dim: int | Sequence[int] = ()) -> Value:
    return reshaped(b, x, b.wanted().shape)


@aten("view.dtype")
def view_dtype(b: TorchBuilder, x: Value, dtype: Any) -> Value:
    if x.dtype == b.wanted_dtype():
        return x
    raise UnsupportedModel(f"the bits of {x.dtype} seen as {b.wanted_dtype()}")


@aten("expand", "expand_as", "broadcast_to")
def expand(b: TorchBuilder, x: Value, size: Sizes = (), other: Value | None = None, implicit: bool = False) -> Value:
    return expanded(b, x, b.wanted().shape)


@aten("permute")
def permute(b: TorchBuilder, x: Value, dims: Sequence[int]) -> Value:
    return permuted(b, x, axes_of(dims, x.rank))


@aten("transpose", "swapaxes", "swapdims")
def transpose(
    b: TorchBuilder, x: Value, dim0: int = 0, dim1: int = 0, axis0: int | None = None, axis1: int | None = None
) -> Value:
    if x.rank == 0:
        return x
    first, second = (axis_of(a, x.rank) for a in (axis0 or dim0, axis1 or dim1))
    perm = list(range(x.rank))
    perm[first], perm[second] = second, first
    return permuted(b, x, perm)


@aten("numpy_T")
def reversed_axes(b: TorchBuilder, x: Value) -> Value:
    return permuted(b, x, list(reversed(range(x.rank))))


@aten("t", "mT", "adjoint")
def t(b: TorchBuilder, x: Value) -> Value:
    perm = list(range(x.rank))
    return permuted(b, x, [*perm[:-2], *reversed(perm[-2:])])


@aten("movedim", "moveaxis")
def movedim(b: TorchBuilder, x: Value, source: int | Sequence[int], destination: int | Sequence[int]) -> Value:
    origin, target = axes_of(source, x.rank), axes_of(destination, x.rank)
    rest = iter(i for i in range(x.rank) if i not in origin)
    places = dict(zip(target, origin, strict=True))
    return permuted(b, x, [places[i] if i in places else next(rest) for i in range(x.rank)])


@aten("_shape_as_tensor")
def sizes_of(b: TorchBuilder, x: Value) -> Value:
    return b.dims(x.shape)


# -- together and apart -----------------------------------------------------------------------------------------------


@aten("cat", "concat", "concatenate")
def cat(b: TorchBuilder, x: Sequence[Value], dim: int = 0) -> Value:
    """Empty vectors among tensors of other ranks are left out, as torch has long done."""
    kept = [each for each in x if each.shape != (0,)] or list(x[:1])
    dtype = common_dtype(*x)
    values = [cast(b, each, dtype) for each in kept]
    return values[0] if len(values) == 1 else b.concat(*values, axis=axis_of(dim, values[0].rank))


@aten("stack")
def stack(b: TorchBuilder, x: Sequence[Value], dim: int = 0) -> Value:
    values = promoted(b, *x)
    axis = axis_of(dim, values[0].rank + 1)
    wide = [b.reshape(v, shape=(*v.shape[:axis], 1, *v.shape[axis:])) for v in values]
    return wide[0] if len(wide) == 1 else b.concat(*wide, axis=axis)


@aten("hstack")
def hstack(b: TorchBuilder, x: Sequence[Value]) -> Value:
    """Along the second axis; vectors along the only one."""
    parts = [reshaped(b, each, each.shape or (1,)) for each in x]
    return cat(b, parts, min(parts[0].rank - 1, 1))


@aten("vstack", "row_stack")
def vstack(b: TorchBuilder, x: Sequence[Value]) -> Value:
    """Along the first axis; a vector is a row."""
    return cat(b, [reshaped(b, each, (1, *(each.shape or (1,))) if each.rank < 2 else each.shape) for each in x], 0)


@aten("split.Tensor", "split.sizes", "split_with_sizes", "chunk", "unsafe_chunk", "tensor_split")
def split(
    b: TorchBuilder,
    x: Value,
    split_size: Any = None,
    split_sizes: Any = None,
    chunks: Any = None,
    sections: Any = None,
    indices: Any = None,
    dim: int = 0,
) -> list[Value]:
    axis = axis_of(dim, x.rank)
    sizes = tuple(b.torch_sizes.shape(each)[axis] for each in b.fake)
    return [x] if len(sizes) == 1 else list(b.split(x, axis=axis, sizes=sizes))


@aten("unbind")
def unbind(b: TorchBuilder, x: Value, dim: int = 0) -> list[Value]:
    axis = axis_of(dim, x.rank)
    count = x.shape[axis]
    if not isinstance(count, int):
        raise UnsupportedModel(f"{x} is taken apart along a symbolic size")
    parts = [x] if count == 1 else list(b.split(x, axis=axis, sizes=(1,) * count))
    return [b.reshape(p, shape=(*p.shape[:axis], *p.shape[axis + 1 :])) for p in parts]


# -- turned around ----------------------------------------------------------------------------------------------------


@aten("flip")
def flip(b: TorchBuilder, x: Value, dims: Sequence[int]) -> Value:
    axes = tuple(axis_of(d, x.rank) for d in dims)
    return b.reverse(x, axes=axes) if axes and x.rank else x


@aten("fliplr")
def fliplr(b: TorchBuilder, x: Value) -> Value:
    return b.reverse(x, axes=(1,))


@aten("roll")
def roll(b: TorchBuilder, x: Value, shifts: Any, dims: Sequence[int] = ()) -> Value:
    """Elements that leave at the end come in at the front."""
    amounts = [shifts] if isinstance(shifts, int) else list(shifts)
    if not dims:
        flat = reshaped(b, x, (x.type.numel(),))
        return reshaped(b, _rolled(b, flat, amounts[0], 0), x.shape)
    along = [dims] if isinstance(dims, int) else dims
    for amount, dim in zip(amounts, along, strict=True):
        x = _rolled(b, x, amount, axis_of(dim, x.rank))
    return x


def _rolled(b: TorchBuilder, x: Value, amount: Dim, axis: int) -> Value:
    size = x.shape[axis]
    amount = amount % size
    if equal(amount, 0) is True:
        return x
    kept, moved = b.split(x, axis=axis, sizes=(size - amount, amount))
    return b.concat(moved, kept, axis=axis)


@aten("tril")
def tril(b: TorchBuilder, x: Value, diagonal: int = 0) -> Value:
    return b.trilu(x, upper=False, k=diagonal)


@aten("triu")
def triu(b: TorchBuilder, x: Value, diagonal: int = 0) -> Value:
    return b.trilu(x, upper=True, k=diagonal)


@aten("unfold")
def unfold(b: TorchBuilder, x: Value, dimension: int, size: int, step: int) -> Value:
    """Windows of `size` along an axis, every `step` elements, on a new last axis."""
    axis = axis_of(dimension, x.rank)
    have = x.shape[axis]
    if not isinstance(have, int):
        raise UnsupportedModel(f"windows over the symbolic size {have}")
    count = (have - size) // step + 1
    places = np.arange(count)[:, None] * step + np.arange(size)[None, :]
    windows = b.gather(x, b.const(places), axis=axis)
    order = [*range(axis + 1), *range(axis + 2, x.rank + 1), axis + 1]
    return permuted(b, windows, order)


@aten("diagonal")
def diagonal(b: TorchBuilder, x: Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Value:
    first, second = axis_of(dim1, x.rank), axis_of(dim2, x.rank)
    rest = [i for i in range(x.rank) if i not in (first, second)]
    plane = permuted(b, x, [*rest, first, second])
    rows, columns = plane.shape[-2:]
    length = minimum(rows - max(-offset, 0), columns - max(offset, 0))
    flat = b.reshape(plane, shape=(*plane.shape[:-2], rows * columns))
    begin = offset if offset >= 0 else -offset * columns
    steps = b.iota(dtype=I64, shape=(length,), axis=0)
    stride = cast(b, b.reshape(b.dims((columns + 1,)), shape=()), I64)
    places = b.add(b.mul(steps, stride), b.reshape(b.dims((begin,)), shape=()))
    return b.gather(flat, places, axis=flat.rank - 1)


@aten("diagonal_scatter")
def diagonal_scatter(b: TorchBuilder, x: Value, src: Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Value:
    """x with `src`, whose last axis runs along the diagonal, in place of the diagonal."""
    first, second = axis_of(dim1, x.rank), axis_of(dim2, x.rank)
    order = [*(i for i in range(x.rank) if i not in (first, second)), first, second]
    plane = permuted(b, x, order)
    rows, columns = (b.iota(dtype=I64, shape=plane.shape[-2:], axis=axis) for axis in (0, 1))
    row = b.iota(dtype=I64, shape=plane.shape[-2:-1], axis=0)
    along = b.sub(row, b.const(max(-offset, 0)))
    last = b.sub(b.reshape(b.dims(src.shape[-1:]), shape=()), b.const(1))
    spread = b.gather(src, b.minimum(b.maximum(along, b.const(0)), last), axis=src.rank - 1)
    inside = b.equal(columns, b.add(rows, b.const(offset)))
    written = b.where(inside, b.reshape(spread, shape=(*spread.shape, 1)), plane)
    return permuted(b, written, [order.index(i) for i in range(x.rank)])


@aten("flipud")
def flipud(b: TorchBuilder, x: Value) -> Value:
    return b.reverse(x, axes=(0,))


@aten("broadcast_tensors")
def broadcast_tensors(b: TorchBuilder, x: Sequence[Value]) -> list[Value]:
    return [expanded(b, each, b.wanted(i).shape) for i, each in enumerate(x)]


@aten("meshgrid")
def meshgrid(b: TorchBuilder, x: Sequence[Value], indexing: str = "ij") -> list[Value]:
    """Along axis i the i-th vector varies; "xy" swaps the first two axes."""
    shape = tuple(each.shape[0] if each.rank else 1 for each in x)
    spread = [b.reshape(each, shape=tuple(d if i == j else 1 for j, d in enumerate(shape))) for i, each in enumerate(x)]
    grids = [expanded(b, each, shape) for each in spread]
    if indexing == "ij" or len(x) < 2:
        return grids
    return [permuted(b, each, [1, 0, *range(2, each.rank)]) for each in grids]
