"""Embeddings of bags of words: the sum, mean or maximum of the rows that each bag names."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from isthmus.compiler.importers.torch.args import cast, index_of, reshaped, tensor
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import aten
from isthmus.compiler.importers.torch.segments import segments
from isthmus.ir.dim import Dim, equal
from isthmus.ir.errors import MalformedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64

Found: TypeAlias = tuple[Value, None, None, None]
"""The rows made; which bag an index is in, how many a bag holds and where a maximum stood serve gradients only."""

_SUM, _MEAN, _MAX = 0, 1, 2


@aten("embedding_bag")
def embedding_bag(
    b: TorchBuilder,
    x: Value,
    indices: Value,
    offsets: Value,
    scale_grad_by_freq: bool = False,
    mode: int = _SUM,
    sparse: bool = False,
    per_sample_weights: Value | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Found:
    """x [K, M], indices [L], offsets [B] at which bags begin (a last one, where included, ends the last bag): [B, M].

    Rows at `padding_idx` count as absent. An empty bag gives zeros.
    """
    hidden = padding_idx if padding_idx is None or padding_idx >= 0 else x.shape[0] + padding_idx
    last = include_last_offset
    return _Bags(b, indices, offsets, last).embedded(x, mode, per_sample_weights, hidden), None, None, None


@aten("_embedding_bag", "_embedding_bag_forward_only")
def inner_embedding_bag(
    b: TorchBuilder,
    x: Value,
    indices: Value,
    offsets: Value,
    scale_grad_by_freq: bool = False,
    mode: int = _SUM,
    sparse: bool = False,
    per_sample_weights: Value | None = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> Found:
    """The same as torch decomposes it: a negative `padding_idx` is none."""
    hidden = padding_idx if padding_idx >= 0 else None
    last = include_last_offset
    return _Bags(b, indices, offsets, last).embedded(x, mode, per_sample_weights, hidden), None, None, None


class _Bags:
    """Which of some indices [L] belong together."""

    def __init__(self, b: TorchBuilder, indices: Value, offsets: Value, include_last_offset: bool) -> None:
        self.b = b
        self.indices = reshaped(b, index_of(b, indices), (indices.type.numel(),))
        self.length = self.indices.shape[0]
        self.count: Dim = offsets.shape[0] - include_last_offset
        self.each = None if include_last_offset else _stride(b, offsets, self.length)
        """How many indices every bag has, where that is known."""
        if self.each is None:
            begins = index_of(b, offsets)
            if include_last_offset:
                begins = b.slice(begins, axes=(0,), starts=(0,), stops=(self.count,), steps=(1,))
            self.bags = b.reshape(segments(b, begins, self.length), shape=(self.length, 1))

    def embedded(self, table: Value, mode: int, weights: Value | None, hidden: Dim | None) -> Value:
        """The bags' rows combined; rows of the `hidden` index are left out."""
        b = self.b
        rows = b.gather(table, self.indices, axis=0)
        there = None
        if hidden is not None:
            there = b.not_equal(self.indices, tensor(b, hidden, self.indices.dtype))
            there = b.reshape(there, shape=(self.length, 1))
        if mode == _MAX:
            return self._greatest(rows, there)
        if weights is not None:
            rows = b.mul(rows, b.reshape(cast(b, weights, rows.dtype), shape=(self.length, 1)))
        total = self._joined(rows if there is None else b.where(there, rows, 0.0), "add")
        if mode == _SUM:
            return total
        if mode != _MEAN:
            raise MalformedModel(f"embedding_bag has no mode {mode}")
        return b.div(total, b.maximum(self._sizes(there, rows), 1.0))

    def _greatest(self, rows: Value, there: Value | None) -> Value:
        b = self.b
        best = self._joined(rows if there is None else b.where(there, rows, -math.inf), "max")
        return b.where(b.greater(self._sizes(there, rows), 0.0), best, 0.0)

    def _sizes(self, there: Value | None, rows: Value) -> Value:
        """How many rows each bag has, [B, 1] in the type of rows."""
        b = self.b
        one = b.full(b.const(1.0, rows.dtype), shape=(self.length, 1))
        return self._joined(one if there is None else b.where(there, one, 0.0), "add")

    def _joined(self, rows: Value, how: Literal["add", "max"]) -> Value:
        """[L, M] to [B, M]."""
        b = self.b
        if self.each is not None:
            apart = b.reshape(rows, shape=(self.count, self.each, rows.shape[1]))
            return b.reduce_sum(apart, axes=(1,)) if how == "add" else b.reduce_max(apart, axes=(1,))
        start = b.const(0.0 if how == "add" else -math.inf, rows.dtype)
        return b.scatter_nd(b.full(start, shape=(self.count, rows.shape[1])), self.bags, rows, reduction=how)


def _stride(b: TorchBuilder, offsets: Value, length: Dim) -> Dim | None:
    """c where offsets are 0, c, 2 c ... up to `length`, as `F.embedding_bag` makes them of a matrix of indices."""
    node = offsets.node
    c: Dim = 1
    if node is not None and node.op.name == "mul" and node.inputs[1].rank == 0:
        (c,) = b.sizes(cast(b, node.inputs[1], I64)) or (0,)
        node = node.inputs[0].node
    is_counted = node is not None and node.op.name == "iota"
    return c if is_counted and equal(offsets.shape[0] * c, length) is True and c != 0 else None
