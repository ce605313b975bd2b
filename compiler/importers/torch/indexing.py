"""Ops that address elements by computed indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from isthmus.compiler.importers.torch.args import axis_of, cast, expanded, index_of, permuted, reshaped, tensor, truth
from isthmus.compiler.importers.torch.builder import Number, Scalar, TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import Dim, product
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.ops.infer import broadcast
from isthmus.ir.types import BOOL, I64, U8

_How: TypeAlias = Literal["none", "add", "mul", "max", "min"]
_REDUCTIONS: dict[str, _How] = {
    "sum": "add",
    "add": "add",
    "prod": "mul",
    "multiply": "mul",
    "amax": "max",
    "amin": "min",
}


@aten("embedding")
def embedding(
    b: TorchBuilder,
    x: Value,
    indices: Value,
    padding_idx: Dim = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Value:
    return b.gather(x, index_of(b, indices), axis=0)


@aten("index_select")
def index_select(b: TorchBuilder, x: Value, dim: int, index: Value) -> Value:
    if x.rank == 0:
        return x
    return b.gather(x, reshaped(b, index_of(b, index), (index.type.numel(),)), axis=axis_of(dim, x.rank))


@aten("take")
def take(b: TorchBuilder, x: Value, index: Value) -> Value:
    return b.gather(reshaped(b, x, (x.type.numel(),)), index_of(b, index), axis=0)


@aten("gather")
def gather(b: TorchBuilder, x: Value, dim: int, index: Value, sparse_grad: bool = False) -> Value:
    """index may be smaller than x along the other axes."""
    axis = axis_of(dim, x.rank)
    if x.rank == 0:
        return expanded(b, x, index.shape)
    return b.gather_elements(_cropped(b, x, index, axis), index_of(b, index), axis=axis)


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
    if reduce not in _REDUCTIONS or not include_self:
        raise UnsupportedModel(f"scatter_reduce by {reduce}{'' if include_self else ' without the old values'}")
    return _scattered(b, x, dim, index, src, _REDUCTIONS[reduce])


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
    shape = (*x.shape[:axis], index.type.numel(), *x.shape[axis + 1 :])
    return _by_slices(b, x, dim, index, b.full(tensor(b, value, x.dtype), shape=shape), "none")


@aten("nonzero", "argwhere")
def nonzero(b: TorchBuilder, x: Value) -> Value:
    return b.transpose(b.non_zero(x), perm=(1, 0))


@aten("masked_select")
def masked_select(b: TorchBuilder, x: Value, mask: Value) -> Value:
    shape = broadcast(x.shape, mask.shape)
    places = b.non_zero(expanded(b, mask, shape))
    return b.gather_nd(expanded(b, x, shape), b.transpose(places, perm=(1, 0)))


@aten("masked_scatter")
def masked_scatter(b: TorchBuilder, x: Value, mask: Value, source: Value) -> Value:
    """The k-th element where the mask holds is the k-th of `source`."""
    mask = expanded(b, mask, x.shape)
    count = x.type.numel()
    flat = b.cast(b.reshape(mask, shape=(count,)), dtype=I64)
    turn = b.maximum(b.sub(b.cumsum(flat, axis=0), 1), 0)
    values = b.gather(b.reshape(source, shape=(source.type.numel(),)), turn, axis=0)
    return b.where(mask, b.reshape(values, shape=x.shape), x)


@aten("index", "_unsafe_index")
def index(b: TorchBuilder, x: Value, indices: Sequence[Value | None]) -> Value:
    """numpy's advanced indexing: the indexed axes give way to the indices' common shape. Bytes are masks."""
    places, axes = _places(b, x, indices)
    if len(axes) == 1:
        return b.gather(x, places[0], axis=axes[0])
    front = permuted(b, x, [*axes, *(i for i in range(x.rank) if i not in axes)])
    found = b.gather_nd(front, _stacked(b, places))
    count = found.rank - (x.rank - len(axes))
    if not _together(axes):
        return found
    at = axes[0]
    order = [*range(count, count + at), *range(count), *range(count + at, found.rank)]
    return permuted(b, found, order)


@aten("index_put", "_unsafe_index_put")
def index_put(
    b: TorchBuilder, x: Value, indices: Sequence[Value | None], values: Value, accumulate: bool = False
) -> Value:
    mask = indices[0] if len(indices) == 1 and values.rank == 0 and not accumulate else None
    if mask is not None and mask.dtype == BOOL:
        wide = reshaped(b, mask, (*mask.shape, *[1] * (x.rank - mask.rank)))
        return b.where(wide, tensor(b, values, x.dtype), x)
    places, axes = _places(b, x, indices)
    perm = [*axes, *(i for i in range(x.rank) if i not in axes)]
    front = permuted(b, x, perm)
    where = _stacked(b, places)
    wanted = (*where.shape[:-1], *front.shape[len(axes) :])
    if _together(axes) and axes[0]:
        values = _moved_forward(b, values, where.rank - 1, axes[0], len(wanted))
    updates = expanded(b, tensor(b, values, x.dtype), wanted)
    written = b.scatter_nd(front, where, updates, reduction="add" if accumulate else "none")
    back = [perm.index(i) for i in range(x.rank)]
    return permuted(b, written, back)


@aten("bucketize.Tensor", "searchsorted.Tensor")
def bucketize(
    b: TorchBuilder,
    x: Value,
    boundaries: Value | None = None,
    self: Value | None = None,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
) -> Value:
    """How many boundaries (of a vector) lie below, or not above, each element."""
    edges, values = (boundaries, x) if boundaries is not None else (x, self)
    if edges is None or values is None or edges.rank != 1:
        raise UnsupportedModel("a search in boundaries that are no vector")
    column = b.reshape(values, shape=(*values.shape, 1))
    after = right or side == "right"
    passed = b.greater_equal(column, edges) if after else b.greater(column, edges)
    counted = b.reduce_sum(b.cast(passed, dtype=I64), axes=(passed.rank - 1,))
    return cast(b, counted, b.wanted_dtype())


def _places(b: TorchBuilder, x: Value, indices: Sequence[Value | None]) -> tuple[list[Value], list[int]]:
    """Index tensors of one shape and the axes they index; a mask stands for the places where it holds."""
    found: list[Value] = []
    axes: list[int] = []
    axis = 0
    for each in indices:
        if each is None:
            axis += 1
        elif each.dtype in (BOOL, U8):
            where = b.non_zero(truth(b, each))
            rows = [where] if each.rank == 1 else list(b.split(where, axis=0, sizes=(1,) * each.rank))
            for row in rows:
                found.append(b.reshape(row, shape=(row.shape[1],)))
                axes.append(axis)
                axis += 1
        else:
            found.append(index_of(b, each))
            axes.append(axis)
            axis += 1
    if not axes:
        raise UnsupportedModel("an index without indices")
    if len(found) > 1:
        found = [tensor(b, each, I64) for each in found]
    shape = _common(b, found)
    return [expanded(b, each, shape) for each in found] if len(found) > 1 else found, axes


def _common(b: TorchBuilder, values: Sequence[Value]) -> tuple[Dim, ...]:
    shape: tuple[Dim, ...] = ()
    for each in values:
        shape = broadcast(shape, each.shape)
    return shape


def _stacked(b: TorchBuilder, places: Sequence[Value]) -> Value:
    columns = [b.reshape(each, shape=(*each.shape, 1)) for each in places]
    return columns[0] if len(columns) == 1 else b.concat(*columns, axis=columns[0].rank - 1)


def _together(axes: Sequence[int]) -> bool:
    return list(axes) == list(range(axes[0], axes[0] + len(axes)))


def _moved_forward(b: TorchBuilder, values: Value, count: int, at: int, rank: int) -> Value:
    """`values` broadcast as [before, indices, after] with the indices' axes moved to the front."""
    if values.rank <= rank - at - count:
        return values
    values = reshaped(b, values, (1,) * (rank - values.rank) + values.shape)
    return permuted(b, values, [*range(at, at + count), *range(at), *range(at + count, rank)])


def _cropped(b: TorchBuilder, x: Value, index: Value, axis: int) -> Value:
    """x no larger than index along the axes other than `axis`."""
    cut = [i for i in range(x.rank) if i != axis and x.shape[i] != index.shape[i]]
    if not cut:
        return x
    stops = tuple(index.shape[i] for i in cut)
    return b.slice(x, axes=tuple(cut), starts=(0,) * len(cut), stops=stops, steps=(1,) * len(cut))


def _scattered(b: TorchBuilder, x: Value, dim: int, index: Value, src: Value, how: _How) -> Value:
    axis = axis_of(dim, x.rank)
    updates = tensor(b, src, x.dtype)
    if updates.shape != index.shape:
        cut = tuple(range(index.rank))
        updates = b.slice(updates, axes=cut, starts=(0,) * len(cut), stops=index.shape, steps=(1,) * len(cut))
    return b.scatter_elements(x, index_of(b, index), updates, axis=axis, reduction=how)


def _by_slices(b: TorchBuilder, x: Value, dim: int, index: Value, source: Value, how: _How) -> Value:
    axis = axis_of(dim, x.rank)
    count = product(index.shape)
    rows = reshaped(b, index_of(b, index), tuple(count if i == axis else 1 for i in range(x.rank)))
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    return b.scatter_elements(x, b.expand(rows, shape=shape), reshaped(b, source, shape), axis=axis, reduction=how)
