"""Timing contestants in one process: in turns, so that what else the machine does meets all of them alike."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from isthmus.ir.types import Array

WIDTH = 180
"""Of a table in a file."""

BURST = 2
"""Calls of one contestant that count in each turn."""

SETTLING = 0.06
"""Seconds a contestant runs before its calls count, and at least one call. An engine's threads go on spinning for
milliseconds after a call and meanwhile share the cores with the next contestant's, which the operating system then
takes some ticks to spread again: without it the first calls of a turn tell of that, not of the engine."""


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    gc.collect()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def turns(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    burst: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Array]:
    """Seconds of `burst` calls of each contestant in each of `rounds`; who begins changes each round.

    Each turn opens with `SETTLING` seconds of calls that are not counted.
    """
    found: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name in order:
                call = contestants[name]
                _settle(call)
                for _ in range(burst):
                    start = clock()
                    call()
                    found[name].append(clock() - start)
            order.append(order.pop(0))
    finally:
        gc.enable()
    return {name: np.array(each) for name, each in found.items()}


def medians(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The median of the seconds of each contestant's calls, in turns of `BURST`."""
    return {name: float(np.median(each)) for name, each in turns(contestants, rounds, BURST, clock).items()}


def _settle(call: Callable[[], object]) -> None:
    end = time.perf_counter() + SETTLING
    call()
    while time.perf_counter() < end:
        call()


def geometric_mean(ratios: Sequence[float]) -> float:
    """The mean that treats twice as fast and half as fast alike."""
    return float(np.exp(np.mean(np.log(ratios))))


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> None:
    """Print a table; floats with three significant digits."""
    table = Table(title=title, caption=note)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
