"""Ops that read elements at computed indices, and numpy's advanced indexing."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.compiler.importers.torch.args import (
    axis_of,
    cast,
    expanded,
    index_of,
    permuted,
    promoted,
    reshaped,
    tensor,
    truth,
)
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.ir.dim import Dim, product
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.ops.infer import broadcast
from isthmus.ir.types import BOOL, I64, U8


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


@aten("nonzero", "argwhere")
def nonzero(b: TorchBuilder, x: Value) -> Value:
    """Of a number as many rows of nothing as it is nonzero times, once or never."""
    found = b.transpose(b.non_zero(reshaped(b, x, x.shape or (1,))), perm=(1, 0))
    return found if x.rank else b.slice(found, axes=(1,), starts=(0,), stops=(0,), steps=(1,))


@aten("masked_select")
def masked_select(b: TorchBuilder, x: Value, mask: Value) -> Value:
    shape = broadcast(x.shape, mask.shape)
    count = (product(shape),)
    flat, kept = (reshaped(b, expanded(b, each, shape), count) for each in (x, mask))
    places = b.non_zero(kept)
    return b.gather(flat, b.reshape(places, shape=places.shape[1:]), axis=0)


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
    """How many boundaries lie below, or not above, each element; rows of boundaries stand for rows of elements."""
    edges, values = (boundaries, x) if boundaries is not None else (x, self)
    if edges is None or values is None:
        raise UnsupportedModel("a search for a number that is no tensor")
    column = b.reshape(values, shape=(*values.shape, 1))
    edges = edges if edges.rank == 1 else b.reshape(edges, shape=(*edges.shape[:-1], 1, edges.shape[-1]))
    column, edges = promoted(b, column, edges)
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
