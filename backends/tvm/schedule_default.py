"""How kernels without a generator of their own loop: over all threads outside, in vectors inside.

Sizes are numbers, or int64 expressions where they are symbolic. Innermost loops run over the innermost axis in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

from isthmus.backends.tvm.api import kind, script, tirx
from isthmus.backends.tvm.kernels import Expr

PARALLEL_FROM = 16384
"""Elements from which starting threads (1.5 us) pays."""

INDEPENDENT = "isthmus.independent"
"""The annotation of loops whose turns may run in any order, parallel or not."""

ROWS = 6
COLUMNS = 32
"""The tile of results that a reduction keeps in registers: rows, and elements of the innermost axis."""

LANES = 16
"""Elements that one step of an innermost loop computes."""


@dataclass(frozen=True)
class Strip:
    """A part of an axis: `count` steps of `width` elements from `start`."""

    start: Any
    count: Any
    width: int


def strips(extent: Any, width: int) -> list[Strip]:
    """An axis in steps of `width`, and what remains: one narrower step, or single elements where it is symbolic."""
    if isinstance(extent, int):
        whole, rest = divmod(extent, width)
        parts = [Strip(0, whole, width), Strip(whole * width, 1, rest)]
        return [part for part in parts if part.count and part.width]
    if width == 1:
        return [Strip(0, extent, 1)]
    whole = script.bind(tirx.truncdiv(int64(extent), int64(width)))
    start = script.bind(whole * int64(width))
    return [Strip(0, whole, width), Strip(start, script.bind(int64(extent) - start), 1)]


def volume(extents: Sequence[Any]) -> Any:
    """The product of sizes."""
    total: Any = 1
    for extent in extents:
        total = extent if isinstance(total, int) and total == 1 else total * extent
    return total


@contextmanager
def nest(extents: Sequence[Any], is_parallel: bool) -> Iterator[list[Any]]:
    """One loop over all of `extents`, yielding an index for each."""
    total = volume(extents)
    if isinstance(total, int) and total == 1:
        yield [int64(0) for _ in extents]
        return
    loop = script.parallel if is_parallel else script.serial
    with loop(int64(0), int64(total), annotations={INDEPENDENT: True}) as position:
        yield unravel(position, extents)


def unravel(position: Expr, extents: Sequence[Any]) -> list[Any]:
    """The index that a row-major position stands for."""
    index: list[Any] = []
    for i, extent in reversed(list(enumerate(extents))):
        if isinstance(extent, int) and extent == 1:
            index.append(int64(0))
            continue
        is_first = all(isinstance(e, int) and e == 1 for e in extents[:i])
        if is_first:
            index.append(position)
            continue
        # Neither is negative. The engine ends over a divisor that it finds to be 0, though the loop takes no turn then.
        divisor = int64(max(extent, 1)) if isinstance(extent, int) else script.bind(tirx.max(int64(extent), int64(1)))
        index.append(script.bind(tirx.truncmod(position, divisor)))
        position = script.bind(tirx.truncdiv(position, divisor))
    return index[::-1]


def int64(number: Any) -> Expr:
    """A size or position as an int64 expression."""
    return tirx.const(number, "int64") if isinstance(number, int) else number.astype("int64")


@contextmanager
def lanes(width: int, is_vector: bool) -> Iterator[Expr]:
    """A loop over the elements of one step."""
    if width == 1:
        yield int64(0)
        return
    loop = script.vectorized if is_vector else script.serial
    with loop(int64(0), int64(width)) as lane:
        yield lane


def is_large(extents: Sequence[Any], work: int = 1) -> bool:
    """Whether threads pay: all sizes that are not known may be large."""
    total = volume(extents)
    return not isinstance(total, int) or total * work >= PARALLEL_FROM


def pointwise(extents: Sequence[Any], body: Callable[[list[Any]], None], is_vector: bool) -> None:
    """Call `body` for every index: vectors of the innermost axis, threads over all others and over the vectors."""
    if not extents:
        body([])
        return
    *outer, inner = extents
    threads = is_large(extents)
    for strip in strips(inner, LANES):
        with nest([*outer, strip.count], threads) as index:
            *place, step = index
            with lanes(strip.width, is_vector) as lane:
                body([*place, int64(strip.start) + step * int64(strip.width) + lane])


@dataclass(frozen=True)
class Accumulation:
    """A reduction: from `init`, `combine(accumulated, element(index, reduced))` over the `domain`."""

    domain: Sequence[Any]
    init: Expr
    element: Callable[[list[Any], list[Any]], Expr]
    combine: Callable[[Expr, Expr], Expr]


def tiled(
    extents: Sequence[Any],
    work: Accumulation,
    scratch: Callable[[Sequence[int], str], Any],
    deliver: Callable[[list[Any], Expr], None],
    is_vector: bool = True,
) -> None:
    """Reductions whose results lie side by side: a tile of rows and columns is accumulated in registers.

    `element(index, reduced)` is read for each result; `deliver(index, value)` takes each result once.
    """
    *outer, rows, columns = [1, 1, *extents][-max(len(extents), 2) :]
    known = [e for e in (*extents, *work.domain) if isinstance(e, int)]
    threads = len(known) < len(extents) + len(work.domain) or volume(known) >= PARALLEL_FROM

    def index_of(place: Sequence[Any]) -> list[Any]:
        return list(place)[len(place) - len(extents) :] if extents else []

    is_open = not all(isinstance(e, int) for e in (rows, columns))
    height = 1 if not isinstance(rows, int) and not isinstance(columns, int) else ROWS
    for high, wide in product(strips(rows, height), strips(columns, LANES if is_open else COLUMNS)):
        with nest([*outer, high.count, wide.count], threads) as (*place, down, along):
            top = script.bind(int64(high.start) + down * int64(high.width))
            left = script.bind(int64(wide.start) + along * int64(wide.width))
            sums = [scratch((wide.width,), kind(work.init)) for _ in range(high.width)]

            def sweep(body: Callable[[int, Expr, list[Any]], None]) -> None:
                for row, (first, width) in product(range(high.width), _vectors(wide.width)):  # noqa: B023
                    with lanes(width, is_vector) as lane:
                        column = lane + int64(first)
                        body(row, column, index_of([*place, top + int64(row), left + column]))  # noqa: B023

            def begin(row: int, column: Expr, index: list[Any]) -> None:
                script.buffer_store(sums[row], work.init, [column])  # noqa: B023

            def finish(row: int, column: Expr, index: list[Any]) -> None:
                deliver(index, sums[row][column])  # noqa: B023

            sweep(begin)
            with serial_nest(work.domain) as reduced:

                def step(row: int, column: Expr, index: list[Any]) -> None:
                    found = work.combine(sums[row][column], work.element(index, reduced))  # noqa: B023
                    script.buffer_store(sums[row], found, [column])  # noqa: B023

                sweep(step)
            sweep(finish)


def _vectors(width: int) -> list[tuple[int, int]]:
    """Where each vector of a row of the tile starts, and its width."""
    return [(first, min(LANES, width - first)) for first in range(0, width, LANES)]


@contextmanager
def serial_nest(extents: Sequence[Any]) -> Iterator[list[Any]]:
    """Nested serial loops; single steps need none."""
    if not extents:
        yield []
        return
    first, *rest = extents
    if isinstance(first, int) and first == 1:
        with serial_nest(rest) as index:
            yield [int64(0), *index]
        return
    with script.serial(int64(0), int64(first)) as position, serial_nest(rest) as index:
        yield [position, *index]


def along(
    extents: Sequence[Any],
    work: Accumulation,
    scratch: Callable[[Sequence[int], str], Any],
    deliver: Callable[[list[Any], Expr], None],
    is_vector: bool = True,
) -> None:
    """Reductions over what lies side by side: one result a time, accumulated in the lanes of a vector."""
    *others, inner = [1, *work.domain]
    known = [e for e in (*extents, *work.domain) if isinstance(e, int)]
    threads = len(known) < len(extents) + len(work.domain) or volume(known) >= PARALLEL_FROM
    with nest(extents, threads) as index:
        value = accumulated(index, work, scratch, is_vector, others[1:], inner)
        deliver(index, value)


def accumulated(
    index: list[Any],
    work: Accumulation,
    scratch: Callable[[Sequence[int], str], Any],
    is_vector: bool,
    others: Sequence[Any],
    inner: Any,
) -> Expr:
    """The reduction at one index, in the loop that is open."""
    sums = scratch((LANES,), kind(work.init))
    total = scratch((1,), kind(work.init))
    with lanes(LANES, True) as lane:
        script.buffer_store(sums, work.init, [lane])
    with serial_nest(others) as outer:
        for strip in strips(inner, LANES):
            with serial_nest([strip.count]) as (step,), lanes(strip.width, is_vector) as lane:
                position = int64(strip.start) + step * int64(strip.width) + lane
                found = work.combine(sums[lane], work.element(index, [*outer, position]))
                script.buffer_store(sums, found, [lane])
    script.buffer_store(total, work.init, [0])
    with script.serial(0, LANES) as lane:
        script.buffer_store(total, work.combine(total[0], sums[lane]), [0])
    return script.bind(total[0])
