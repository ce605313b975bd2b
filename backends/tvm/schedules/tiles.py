"""Which register tile a matrix product uses, and how its tiles are shared out: a cost model that fits in the head.

A tile is `rows` x `vectors` accumulators in vector registers. One step of the inner size k multiplies a column of
`rows` scalars with a row of `vectors` vectors: `rows * vectors` multiply-adds, `vectors` loads of the packed matrix and
`rows` scalars broadcast from memory. A core of the last ten years begins two multiply-adds and two loads a cycle, and a
multiply-add takes four cycles until its sum can be added to. So a step takes

    max(rows * vectors / 2,  (rows + vectors) / 2,  4)   cycles.

The accumulators, the loaded row and one scalar must fit into the registers. 14 x 2 (of 32 registers) and 6 x 2 (of 16)
keep the multiply-adds the longest of the three. What else decides is waste at the edges: 49 rows are three tiles of
14 and one of 7, and 40 columns are 2.5 vectors of 16. So every tile that fits is priced on the whole problem, edges
priced as what they are, for the thread that gets the most; starting and storing a tile costs a few cycles an
accumulator, which matters where k is small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from isthmus.backends.tvm.kernels import Machine

_PER_CYCLE = 2
_LATENCY = 4
_PER_ACCUMULATOR = 3.0
"""Cycles to start, finish and store one accumulator, measured on tiles with k = 1."""
_PER_EXPONENTIAL = 20.0
"""Cycles of one vector of exponentials, its maximum and its sum."""
_PER_TILE = 12.0
"""Cycles of address arithmetic and loop ends."""


@dataclass(frozen=True)
class Tile:
    """Accumulators: rows x vectors."""

    rows: int
    vectors: int


@dataclass(frozen=True)
class Split:
    """A grid of tasks over row tiles and column panels; their product is the number of threads, or 1."""

    rows: int
    columns: int


@dataclass(frozen=True)
class Plan:
    """How one matrix product is computed."""

    tile: Tile
    split: Split
    cost: float
    """Cycles of the busiest thread, by the model."""


def step_cycles(tile: Tile) -> float:
    """Cycles of one step of k in a tile."""
    multiplied, loaded = tile.rows * tile.vectors, tile.rows + tile.vectors
    return max(multiplied / _PER_CYCLE, loaded / _PER_CYCLE, float(_LATENCY))


def tile_cycles(tile: Tile, inner: int) -> float:
    """Cycles of a whole tile."""
    return step_cycles(tile) * inner + tile.rows * tile.vectors * _PER_ACCUMULATOR + _PER_TILE


def fitting(machine: Machine, vectors: int) -> Iterator[Tile]:
    """Every tile the registers hold, no wider than a result of so many vectors."""
    for width in range(1, min(vectors, machine.registers // 4) + 1):
        for rows in range(1, (machine.registers - width - 1) // width + 1):
            yield Tile(rows, width)


@lru_cache(maxsize=4096)
def plan(machine: Machine, rows: int | None, columns: int, inner: int) -> Plan:
    """The cheapest way to multiply [rows, inner] by [inner, columns]; None is a number of rows known at run time."""
    vectors = -(-columns // machine.lanes)
    priced = (
        Plan(tile, split, _cost(tile, split, rows or 4096, vectors, inner))
        for tile in fitting(machine, vectors)
        for split in splits(machine.threads)
    )
    return min(priced, key=lambda p: (p.cost, _traffic(p.split, rows or 4096, columns)))


@lru_cache(maxsize=4096)
def window_plan(machine: Machine, images: int, height: int, width: int, columns: int, inner: int) -> Plan:
    """The cheapest way to convolve: `plan` where tiles are whole rows of a result, or parts of one row."""
    vectors = -(-columns // machine.lanes)
    spread = splits(machine.threads) if images % machine.threads else [Split(1, 1)]

    def cost(tile: Tile, split: Split) -> float:
        tall = max(1, tile.rows // width)
        down = _share(height, tall, split.rows)
        along = _share(width, min(tile.rows, width), 1)
        across = _share(vectors, tile.vectors, split.columns)
        return sum(tile_cycles(Tile(h * w, v), inner) * a * b * c for h, a in down for w, b in along for v, c in across)

    tiles = [
        t for t in fitting(machine, vectors) if t.rows <= width or (t.rows % width == 0 and t.rows <= height * width)
    ]
    priced = (Plan(tile, split, cost(tile, split)) for tile in tiles for split in spread)
    return min(priced, key=lambda p: (p.cost, _traffic(p.split, height * width, columns)))


@lru_cache(maxsize=4096)
def attention_tile(machine: Machine, length: int, span: int, inner: int, columns: int) -> Tile:
    """The cheapest tile for both products of a head: [length, inner] by [inner, span], and that by [span, columns].

    Both take tiles in full, so rows, span and columns are priced as rounded up.
    """

    def cost(tile: Tile) -> float:
        width = tile.vectors * machine.lanes
        scores, values = -(-span // width), -(-columns // width)
        exponentials = tile.rows * tile.vectors * _PER_EXPONENTIAL
        down = -(-length // tile.rows)
        return down * (scores * (tile_cycles(tile, inner) + exponentials) + values * tile_cycles(tile, span))

    return min(fitting(machine, -(-max(columns, span) // machine.lanes)), key=cost)


def splits(threads: int) -> list[Split]:
    """Every grid of as many tasks as there are threads."""
    return [Split(a, threads // a) for a in range(1, threads + 1) if threads % a == 0]


def _cost(tile: Tile, split: Split, rows: int, vectors: int, inner: int) -> float:
    """Cycles of the thread with the most: whole tiles, then the shorter and narrower ones at the edges."""
    down = _share(rows, tile.rows, split.rows)
    across = _share(vectors, tile.vectors, split.columns)
    return sum(tile_cycles(Tile(height, width), inner) * tall * wide for height, tall in down for width, wide in across)


def _share(size: int, step: int, tasks: int) -> list[tuple[int, int]]:
    """Tile sizes and how many of each the busiest of `tasks` has: with one task also the shorter one at the end."""
    whole, rest = divmod(size, step)
    count = whole + (rest > 0)
    mine = -(-count // tasks)
    if tasks > 1 or not rest:
        return [(step, mine)]
    return [(step, whole), (rest, 1)]


def _traffic(split: Split, rows: int, columns: int) -> float:
    """Elements of both matrices that a task reads for each step of k: equally fast splits differ in it."""
    return rows / split.rows + columns / split.columns
