"""The tile unit's instructions in plain loops, so that kernels written for it run on any processor."""

from __future__ import annotations

from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as tir

from isthmus.backends.tvm.kernels import Buffer, Expr
from isthmus.backends.tvm.schedules.tile_unit import SIDE, TileUnit
from isthmus.backends.tvm.schedules.write import scratch


class EmulatedUnit(TileUnit):
    """Eight tiles in memory, each of 16 rows of 16 elements of 32 bits."""

    def __init__(self) -> None:
        self._tiles: Any = None

    def configure(self) -> None:
        """Tiles hold anything at first."""
        self._tiles = scratch((8 * SIDE * SIDE,), "int32")

    def release(self) -> None:
        """Nothing is held."""

    def zero(self, tile: int) -> None:
        """A tile of zeros."""
        with tir.serial(0, SIDE * SIDE) as i:
            tir.buffer_store(self._tiles, tir.int32(0), [tile * SIDE * SIDE + i])

    def load(self, tile: int, memory: Buffer, offset: Expr, stride: int) -> None:
        """Rows `stride` elements apart."""
        count = 2 if str(memory.ty.dtype) == "uint16" else 1
        with tir.serial(0, SIDE) as row, tir.serial(0, SIDE) as column:
            place = offset + row * stride + column * count
            found = memory[tir.ramp(place, 1, count)] if count > 1 else memory[place]
            tir.buffer_store(self._tiles, tir.reinterpret("int32", found), [_place(tile, row, column)])

    def dot(self, total: int, left: int, right: int) -> None:
        """Pairs are taken apart; a bf16 number is the upper half of an f32 one."""
        with tir.serial(0, SIDE) as m, tir.serial(0, SIDE) as n, tir.serial(0, SIDE) as k:
            a, b = self._tiles[_place(left, m, k)], self._tiles[_place(right, k, n)]
            before = tir.reinterpret("float32", self._tiles[_place(total, m, n)])
            after = before + _low(a) * _low(b) + _high(a) * _high(b)
            tir.buffer_store(self._tiles, tir.reinterpret("int32", after), [_place(total, m, n)])

    def store(self, tile: int, memory: Buffer, offset: Expr | int, stride: int) -> None:
        """Rows `stride` elements apart, as f32."""
        with tir.serial(0, SIDE) as row, tir.serial(0, SIDE) as column:
            value = tir.reinterpret("float32", self._tiles[_place(tile, row, column)])
            tir.buffer_store(memory, value, [offset + row * stride + column])


def _place(tile: int, row: Expr, column: Expr) -> Expr:
    return tile * SIDE * SIDE + row * SIDE + column


def _low(pair: Expr) -> Expr:
    return tir.reinterpret("float32", pair << tirx.const(16, "int32"))


def _high(pair: Expr) -> Expr:
    return tir.reinterpret("float32", pair & tirx.const(-65536, "int32"))
