"""softmax(scale * q @ k^T + mask) @ v without the scores ever leaving the cache.

    for each task (a head of an image):
        keys, transposed, and values into panels
        for each tile of query rows:
            scores[rows, :] = scale * q @ keys + mask       -inf where a row may not look and in the panels' padding
            scores = exp(scores - greatest of the row), with the sum of each row kept
            result = finish(scores @ values / sum)

Scores of a tile take rows * S * 4 bytes; S and L may be known at run time only. Rows beyond the last are read as
the last one and not stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isthmus.backends.base import Refused
from isthmus.backends.tvm.carriers import carrier
from isthmus.backends.tvm.kernels import Buffer, Expr, Group, Kernel, Machine, Offer, PrimFunc, Sizes, Stored, Tail
from isthmus.backends.tvm.limits import attention_refusal
from isthmus.backends.tvm.orders import row_major, stored
from isthmus.backends.tvm.schedules.accumulators import Accumulators
from isthmus.backends.tvm.schedules.batched_matmul import held_rows, vector
from isthmus.backends.tvm.schedules.indexing import Size, broadcast, product, quotient, unravel
from isthmus.backends.tvm.schedules.mathfunctions import exp_of_negative
from isthmus.backends.tvm.schedules.repacking import repack, repack_transposed
from isthmus.backends.tvm.schedules.softmax import greatest
from isthmus.backends.tvm.schedules.tiles import Tile, attention_tile
from isthmus.backends.tvm.schedules.write import (
    Finish,
    ceil,
    edged,
    function,
    load,
    lowest,
    ramp,
    registers,
    scratch,
    splat,
    store,
    tasks,
    total,
    wide,
    widened,
)
from isthmus.ir.types import DType
from tvm import tirx
from tvm.tirx.script import builder as tir

Element = Callable[[Expr, Expr, int], Expr]
"""Elements (row, column), (row, column + 1), ... in f32, as many as asked for."""

Put = Callable[[Expr, Expr, Expr], None]
"""Finishes and stores a scalar of a head's result: row, column, value. Called in a vectorized loop."""


def attention(group: Group, machine: Machine) -> Offer:
    """attention with known sizes of keys and values, and anything else of any size; masks as they broadcast."""
    q, k, v, *rest = group.anchor.inputs
    attrs = group.anchor.attrs
    if (reason := attention_refusal(group.anchor)) is not None:
        return Refused(reason)
    inner, columns = k.shape[-1], v.shape[-1]
    assert isinstance(inner, int)
    assert isinstance(columns, int)
    batch, length, span = group.anchor.results[0].shape[:-2], q.shape[-2], k.shape[-2]
    known = (length if isinstance(length, int) else 256, span if isinstance(span, int) else 256)
    tile = attention_tile(machine, *known, inner, columns)
    orders = [held_rows(x) for x in (q, k, v)] + [row_major(x.rank) for x in rest]

    def write(tail: Tail, sizes: Sizes) -> PrimFunc:
        outer = [sizes(d) for d in batch]
        shapes = [[sizes(d) for d in x.shape] for x in (q, k, v, *rest)]
        one = Head(tile, sizes(length), sizes(span), inner, columns, attrs["scale"], attrs["causal"], machine)

        def body(operands: Sequence[Buffer], result: Buffer, finish: Finish) -> None:
            with tasks(product(outer), machine.threads) as i:
                index = [each if isinstance(each, int) else tir.bind(each) for each in unravel(i, outer)]

                def element(which: int) -> Callable[[Expr, Expr, int], Expr]:
                    lead = shapes[which][:-2]
                    at = list(index)
                    if which in (1, 2) and lead and index:
                        at[-1] = _shared(index[-1], outer[-1], lead[-1])
                    x = (q, k, v, *rest)[which]
                    return lambda row, column, lanes: widened(
                        vector(operands[which], [*broadcast(at, lead), row, column], orders[which], lanes), x.dtype
                    )

                def seen(row: Expr, column: Expr, lanes: int) -> Expr:
                    return _masked(operands[3], shapes[3], [*index, row, column], rest[0].dtype, lanes)

                def put(row: Expr, column: Expr, value: Expr) -> None:
                    store(result, finish(value, [*index, row, column]), [*index, row, column])

                one.write(element(0), element(1), element(2), seen if rest else None, put)

        given = [
            (f"x{i}", stored(shape, order), carrier(x.dtype))
            for i, (x, shape, order) in enumerate(zip((q, k, v, *rest), shapes, orders, strict=True))
        ]
        return function(given, [*outer, sizes(length), columns], body, tail, sizes)

    types = tuple(x.type for x in (q, k, v, *rest))
    return Kernel(
        key=("attention", types, tuple(orders), attrs["scale"], attrs["causal"], machine),
        function=write,
        operands=tuple(map(Stored, orders)),
        result=row_major(len(batch) + 2),
        title=f"attention {tile.rows}x{tile.vectors * machine.lanes}",
    )


@dataclass(frozen=True)
class Head:
    """Queries [length, inner], keys [span, inner] and values [span, columns] of one head on a machine."""

    tile: Tile
    length: Size
    span: Size
    inner: int
    columns: int
    scale: float
    causal: bool
    machine: Machine

    @property
    def width(self) -> int:
        """Columns of a panel of keys or of values."""
        return self.tile.vectors * self.machine.lanes

    def write(self, q: Element, k: Element, v: Element, seen: Element | None, put: Put) -> None:
        """The whole head. Operands give elements (row, column) in f32; `seen` is added to the scores."""
        lanes, rows = self.machine.lanes, self.tile.rows
        wide = ceil(self.span, self.width)
        keys = scratch((wide, self.inner, self.width))
        values = scratch((ceil(self.columns, self.width), self.span, self.width))
        scores = scratch((rows, wide * self.width))
        sums = scratch((rows,))
        repack_transposed(k, keys, self.inner, self.span, self.width, lanes)
        repack(v, values, self.span, self.columns, self.width, lanes)
        with tir.serial(0, ceil(self.length, rows)) as t:
            top = tir.bind(t * rows)
            panels = wide
            if self.causal:
                panels = lowest(wide, ceil(top + rows, self.width))
            with tir.serial(0, panels) as p:
                self._scores(q, keys, seen, scores, top, p)
            self._exponentials(scores, sums, panels)
            span = lowest(self.span, panels * self.width)
            with tir.serial(0, ceil(self.columns, self.width)) as p:
                edged(
                    p,
                    self.columns,
                    self.width,
                    lambda some: self._weighted(scores, sums, values, put, top, p, span, some),
                )

    def _row(self, top: Expr, r: int) -> Expr:
        exact = isinstance(self.length, int) and self.length % self.tile.rows == 0
        return top + r if exact else lowest(top + r, self.length - 1)

    def _scores(self, q: Element, keys: Buffer, seen: Element | None, scores: Buffer, top: Expr, p: Expr) -> None:
        """One panel of scores of a tile of rows."""
        lanes = self.machine.lanes
        sums = Accumulators(self.tile, lanes)
        sums.start()
        with tir.serial(0, self.inner) as e:
            sums.step(lambda r: q(self._row(top, r), e, 1), lambda v: load(keys, [p, e, v * lanes], lanes))
        for r in range(self.tile.rows):
            row = self._row(top, r)
            for v in range(self.tile.vectors):
                first = p * self.width + v * lanes
                column = ramp(first, lanes)
                value = sums.vector(r, v) * splat(self.scale, lanes)
                if seen is not None:
                    value = value + seen(row, first, lanes)
                if self.causal:
                    value = tirx.Select(column > splat_index(row, lanes), splat(-math.inf, lanes), value)
                if not (isinstance(self.span, int) and self.span % self.width == 0):
                    value = tirx.Select(column < splat_index(self.span, lanes), value, splat(-math.inf, lanes))
                store(scores, value, [r, first], lanes)

    def _exponentials(self, scores: Buffer, sums: Buffer, panels: Size) -> None:
        """Each row's exp(score - greatest), in place, and their sums."""
        lanes, vectors = self.machine.lanes, range(self.tile.vectors)
        with tir.serial(0, self.tile.rows) as r:
            most = [registers(lanes) for _ in vectors]
            for each in most:
                store(each, splat(-math.inf, lanes), [0], lanes)
            with tir.serial(0, panels) as p:
                for v, each in enumerate(most):
                    found = load(scores, [r, p * self.width + v * lanes], lanes)
                    store(each, greatest(load(each, [0], lanes), found), [0], lanes)
            top = total(most, greatest, lanes)
            added = [registers(lanes) for _ in vectors]
            for each in added:
                store(each, splat(0.0, lanes), [0], lanes)
            with tir.serial(0, panels) as p:
                for v, each in enumerate(added):
                    place = [r, p * self.width + v * lanes]
                    power = tir.bind(exp_of_negative(load(scores, place, lanes) - splat(top, lanes)))
                    store(scores, power, place, lanes)
                    store(each, load(each, [0], lanes) + power, [0], lanes)
            store(sums, tir.float32(1.0) / total(added, lambda a, b: a + b, lanes), [r])

    def _weighted(
        self, scores: Buffer, sums: Buffer, values: Buffer, put: Put, top: Expr, p: Expr, span: Size, some: int
    ) -> None:
        """`some` columns of the result's panel p for a tile of rows."""
        lanes = self.machine.lanes
        tile = Tile(self.tile.rows, -(-some // lanes))
        added = Accumulators(tile, lanes)
        added.start()
        with tir.serial(0, span) as s:
            added.step(lambda r: scores[r, s], lambda v: load(values, [p, s, v * lanes], lanes))
        exact = isinstance(self.length, int) and self.length % self.tile.rows == 0
        added.put(
            some,
            lambda r, column, value: put(top + r, p * self.width + column, value * sums[r]),
            None if exact else lambda r: top + r < self.length,
        )


def splat_index(value: Size, lanes: int) -> Expr:
    """An index in every lane, of the type that ramps have."""
    return tir.broadcast(wide(value), lanes)


def _masked(mask: Buffer, shape: Sequence[Size], at: Sequence[Expr], dtype: DType, lanes: int) -> Expr:
    """`lanes` elements of the mask from a logical index of the scores on; what lies beyond a row is not read."""
    index = broadcast(at[len(at) - len(shape) :], shape)
    last = shape[-1]
    if isinstance(last, int) and last == 1:
        return splat(widened(mask[tuple(index)], dtype), lanes)
    if isinstance(last, int) and last % lanes == 0:
        return widened(load(mask, index, lanes), dtype)
    clamped = tirx.min(ramp(index[-1], lanes), splat_index(last - 1, lanes))
    return widened(mask[(*index[:-1], clamped)], dtype)


def _shared(head: Expr, heads: Size, given: Size) -> Expr:
    """The head of keys that a head of queries reads: each serves as many in a row."""
    if isinstance(heads, int) and isinstance(given, int) and 1 < given < heads:
        return quotient(head, heads // given)
    return head
