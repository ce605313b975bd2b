"""Tensors, and slices of them, several times over."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.compiler.importers.torch.args import axis_of, cast, expanded, index_of, reshaped
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.compiler.importers.torch.segments import segments
from isthmus.ir.dim import Dim
from isthmus.ir.graph import Value
from isthmus.ir.types import I64


@aten("repeat", "tile")
def repeat(b: TorchBuilder, x: Value, repeats: Sequence[Dim] = (), dims: Sequence[Dim] = ()) -> Value:
    counts = tuple(repeats or dims)
    rank = max(len(counts), x.rank)
    counts = (1,) * (rank - len(counts)) + counts
    x = reshaped(b, x, (1,) * (rank - x.rank) + x.shape)
    return x if all(n == 1 for n in counts) else b.tile(x, repeats=counts)


@aten("repeat_interleave.self_int")
def repeat_interleave(
    b: TorchBuilder, x: Value, repeats: Dim, dim: int | None = None, output_size: Dim | None = None
) -> Value:
    """Each element `repeats` times in a row."""
    if dim is None:
        x, dim = reshaped(b, x, (x.type.numel(),)), 0
    axis = axis_of(dim, x.rank)
    before, after = x.shape[: axis + 1], x.shape[axis + 1 :]
    wide = b.expand(b.reshape(x, shape=(*before, 1, *after)), shape=(*before, repeats, *after))
    return b.reshape(wide, shape=b.wanted().shape)


@aten("repeat_interleave.Tensor")
def sources(b: TorchBuilder, x: Value, output_size: Dim | None = None) -> Value:
    """Each index of a vector of counts as often as its count says."""
    return cast(b, _sources(b, x, output_size), b.wanted_dtype())


@aten("repeat_interleave.self_Tensor")
def repeat_each(
    b: TorchBuilder, x: Value, repeats: Value, dim: int | None = None, output_size: Dim | None = None
) -> Value:
    """Each slice as often as its own count says."""
    x, dim = (x, dim) if dim is not None else (reshaped(b, x, (x.type.numel(),)), 0)
    axis = axis_of(dim, x.rank)
    counts = expanded(b, reshaped(b, repeats, (repeats.type.numel(),)), x.shape[axis : axis + 1])
    return b.gather(x, _sources(b, counts, output_size), axis=axis)


def _sources(b: TorchBuilder, counts: Value, length: Dim | None) -> Value:
    counts = index_of(b, counts)
    ends = b.cumsum(counts, axis=0)
    if length is None:
        total = cast(b, b.reduce_sum(counts, axes=(0,)), I64)
        length = b.dynamic_iota(b.const(0), total, b.const(1)).shape[0]
    return segments(b, b.sub(ends, counts), length)
