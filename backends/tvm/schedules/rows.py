"""Kernels that go over rows of memory several times: a loop over rows, sweeps in vectors, sums kept in lanes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from isthmus.backends.tvm.kernels import Buffer, Expr, Machine
from isthmus.backends.tvm.schedules.indexing import Size
from isthmus.backends.tvm.schedules.write import (
    ceil,
    each_lane,
    load,
    lowest,
    registers,
    scratch,
    splat,
    store,
    tasks,
    total,
)
from tvm.tirx.script import builder as tir

Combine = Callable[[Expr, Expr], Expr]

_WIDE = 8
"""Vectors of a row that is held in registers from its first sweep to its last, a loop being written out in full."""
_AT_ONCE = 4
"""Vectors that a sweep takes in one step of its loop, each with sums of its own: additions take four cycles."""


@dataclass(frozen=True)
class Rows:
    """`count` rows of `length` elements on a machine."""

    count: Size
    length: Size
    machine: Machine

    def each(self, body: Callable[[Expr, Buffer], None]) -> None:
        """`body(row, kept)` for every row, over all threads; `kept` has room for the row in f32."""
        threads = self.machine.threads
        share = ceil(self.count, threads)
        with tasks(threads, threads, self.count * self.length) as task:
            kept = scratch((self.length,)) if not self._held else registers(self.length)
            with tir.serial(task * share, lowest((task + 1) * share, self.count)) as row:
                body(row, kept)

    @property
    def _held(self) -> bool:
        return isinstance(self.length, int) and self.length <= _WIDE * self.machine.lanes

    def sweep(self, body: Callable[[Expr | int, int, int], None]) -> None:
        """`body(position, lanes, turn)` over a row: vectors in turns 0..3 of a loop, then what is left, in turn 0."""
        lanes = self.machine.lanes
        if isinstance(self.length, int) and self._held:
            for turn, position in enumerate(range(0, self.length, lanes)):
                body(position, min(lanes, self.length - position), turn % _AT_ONCE)
            return
        step = lanes * _AT_ONCE
        if not isinstance(self.length, int):
            with tir.serial(0, tir.truncdiv(self.length, step)) as i:
                for turn in range(_AT_ONCE):
                    body(i * step + turn * lanes, lanes, turn)
            with tir.serial(tir.truncdiv(self.length, step) * step, self.length) as position:
                body(position, 1, 0)
            return
        whole = self.length // step * step
        with tir.serial(0, whole // step) as i:
            for turn in range(_AT_ONCE):
                body(i * step + turn * lanes, lanes, turn)
        for turn, position in enumerate(range(whole, self.length, lanes)):
            body(position, min(lanes, self.length - position), turn)

    def reduce(self, first: float, combine: Combine, term: Callable[[Expr | int, int], Expr]) -> Expr:
        """The terms of a row combined to one scalar: lanes apart, then turns, then halves of the lanes left."""
        lanes = self.machine.lanes
        sums = [registers(lanes) for _ in range(_AT_ONCE)]
        for each in sums:
            store(each, splat(first, lanes), [0], lanes)

        def add(position: Expr | int, some: int, turn: int) -> None:
            store(sums[turn], combine(load(sums[turn], [0], some), term(position, some)), [0], some)

        self.sweep(add)
        return total(sums, combine, lanes)

    def finish(self, put: Callable[[Expr], None]) -> None:
        """`put(position)` for every element of a row, in vectorized loops."""

        def vector(position: Expr | int, some: int, turn: int) -> None:
            with each_lane(some) as lane:
                put(position + lane)

        self.sweep(vector)
