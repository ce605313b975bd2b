"""What calls the functions of regions: branches and loops, which the engine's virtual machine has no form for.

Functions here are called by the engine with its context first, and call it back. A region's function takes its inputs,
the sizes it captures, and its constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from isthmus.backends.tvm.api import ffi
from isthmus.ir.types import Array

IF, LOOP, SCAN = "isthmus.if", "isthmus.loop", "isthmus.scan"

KINDS = (
    *("float64", "float32", "float16", "int64", "int32", "int16", "int8"),
    *("uint64", "uint32", "uint16", "uint8"),
)
"""Carriers of element types, by number."""

Body: TypeAlias = Callable[..., Sequence[Any]]


@cache
def register() -> None:
    """Make the drivers known to the engine; once for the process."""
    for name, function in ((IF, _if), (LOOP, _loop), (SCAN, _scan)):
        ffi.register_global_func(name, function, override=True)


def _if(context: Any, then: Any, other: Any, condition: Any, *rest: Any) -> Sequence[Any]:
    reader = _Arguments(rest)
    xs = reader.several()
    tails = [reader.tail(), reader.tail()]
    chosen = 0 if _scalar(condition) else 1
    return _body(context, (then, other)[chosen], tails[chosen])(*xs)


def _loop(context: Any, function: Any, *rest: Any) -> Sequence[Any]:
    reader = _Arguments(rest)
    trips = int(_scalar(reader.take())) if reader.take() else None
    running = bool(_scalar(reader.take())) if reader.take() else True
    carried, stacks = reader.take(), reader.stacks()
    xs = reader.several()
    body = _body(context, function, reader.tail())
    state, captures, turn = list(xs[:carried]), xs[carried:], 0
    columns: list[list[Any]] = [[] for _ in stacks]
    while running and (trips is None or turn < trips):
        more, *results = body(_tensor(np.array(turn, np.int64)), *state, *captures)
        state, running = results[:carried], bool(_scalar(more))
        for column, each in zip(columns, results[carried:], strict=True):
            column.append(each)
        turn += 1
    return [*state, *(_stacked(c, *s) for c, s in zip(columns, stacks, strict=True))]


def _scan(context: Any, function: Any, *rest: Any) -> Sequence[Any]:
    reader = _Arguments(rest)
    scanned, carried, stacks = reader.take(), reader.take(), reader.stacks()
    xs = reader.several()
    body = _body(context, function, reader.tail())
    state = list(xs[:carried])
    sequences = [np.from_dlpack(x) for x in xs[carried : carried + scanned]]
    captures = xs[carried + scanned :]
    columns: list[list[Any]] = [[] for _ in stacks]
    for turn in range(len(sequences[0])):
        results = body(*state, *(_tensor(np.asarray(s[turn])) for s in sequences), *captures)
        state = list(results[:carried])
        for column, each in zip(columns, results[carried:], strict=True):
            column.append(each)
    return [*state, *(_stacked(c, *s) for c, s in zip(columns, stacks, strict=True))]


class _Arguments:
    """What the engine passes, read from the front."""

    def __init__(self, given: Sequence[Any]) -> None:
        self._given = list(given)

    def take(self) -> Any:
        """The next one."""
        return self._given.pop(0)

    def several(self) -> list[Any]:
        """As many as the next one says."""
        return [self.take() for _ in range(self.take())]

    def tail(self) -> list[Any]:
        """What a region's function takes after its inputs: sizes, and as many constants as are counted before them."""
        count = self.take()
        return [self.take() for _ in range(1 + count)]

    def stacks(self) -> list[tuple[str, tuple[int, ...]]]:
        """Element type and shape of each stacked result."""
        return [(KINDS[self.take()], tuple(int(d) for d in self.take())) for _ in range(self.take())]


def _body(context: Any, function: Any, tail: Sequence[Any]) -> Body:
    invoke = ffi.get_global_func("vm.builtin.invoke_closure")
    return lambda *inputs: list(invoke(context, function, *inputs, *tail))


def _scalar(tensor: Any) -> Any:
    return np.from_dlpack(tensor).item()


def _stacked(elements: Sequence[Any], kind: str, shape: tuple[int, ...]) -> Any:
    if not elements:
        return _tensor(np.empty((0, *shape), kind))
    return _tensor(np.stack([np.from_dlpack(each) for each in elements]))


def _tensor(array: Array) -> Any:
    return ffi.from_dlpack(np.ascontiguousarray(array).reshape(array.shape), require_alignment=0)
