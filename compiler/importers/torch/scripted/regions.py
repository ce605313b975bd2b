"""prim::If and prim::Loop: taken as they come where the condition is known, else regions.

What a region does to things made outside (lists, state, tensors written in place) leaves it as further results. Which
things those are, and with what shapes, is found by lowering the region, and again until nothing new turns up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from isthmus.compiler.importers.torch.args import tensor
from isthmus.compiler.importers.torch.scripted.frame import Frame, capture_alike
from isthmus.compiler.importers.torch.scripted.numbers import compute
from isthmus.compiler.importers.torch.scripted.refs import Items, Ref, Table, Tensor, View
from isthmus.compiler.importers.torch.scripted.structure import (
    Structure,
    alike,
    describe,
    join,
    rebuild,
    refill,
    take_apart,
)
from isthmus.ir.dim import Dim
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import BOOL, I64, TensorType

Run: TypeAlias = Callable[[Frame, Sequence[Any]], list[Any]]
"""Lowers a block in a frame, given what its parameters stand for; what it yields."""

MOST_TURNS = 64
"""A loop that surely runs no more often is unrolled."""
_MOST_TRIALS = 12
_ENDLESS = 1 << 62


class Raised(Exception):
    """The script raises on this path, whatever the data."""

    def __init__(self, message: str, where: str) -> None:
        super().__init__(message)
        self.where = where


def branch(frame: Frame, condition: Any, then: Run, other: Run) -> list[Any]:
    """The results of `then` where the condition holds, else those of `other`. A branch that raises is not there."""
    if not isinstance(condition, Value):
        return (then if condition else other)(frame, ())
    frames: list[Frame] = []
    found: list[list[Any]] = []
    for run in (then, other):
        inner = frame.inner()
        try:
            found.append(run(inner, ()))
            frames.append(inner)
        except Raised:
            return (other if run is then else then)(frame, ())
    changed = list(dict.fromkeys(ref for inner in frames for ref in inner.effects()))
    columns = [[*results, *changed] for results in found]
    structures = [join(describe(frames[0], a), describe(frames[1], c)) for a, c in zip(*columns, strict=True)]
    outputs = [_all_apart(inner, things, structures) for inner, things in zip(frames, columns, strict=True)]
    if not outputs[0]:
        return _chosen(frame, found, _back(frame, structures, [], changed, len(found[0])))
    for inner, values in zip(frames, outputs, strict=True):
        inner.b.graph.name = "branch"
        inner.b.graph.set_outputs(values, [f"out{i}" for i in range(len(values))])
    captured = capture_alike(frames, frame)
    graphs = [inner.b.graph for inner in frames]
    results = list(frame.b.if_(condition, *captured, then=graphs[0], else_=graphs[1]))
    return _chosen(frame, found, _back(frame, structures, results, changed, len(found[0])))


def _chosen(frame: Frame, found: Sequence[Sequence[Any]], made: list[Any]) -> list[Any]:
    """The results of a branch: what both paths yield keeps its identity, what they do not is one of two tensors."""
    for i, (then, other) in enumerate(zip(*found, strict=True)):
        if then is other and isinstance(then, Ref) and frame.knows(then):
            made[i] = then
        elif isinstance(made[i], Tensor):
            frame.entangle(made[i], (then, other))
    return made


def loop(frame: Frame, trips: Any, condition: Any, state: Sequence[Any], run: Run) -> list[Any]:
    """Runs the body at most `trips` times while the condition holds: unrolled as long as that is known, then a loop.

    `run` is given the turn's number and the state, and yields the next condition and the next state.
    """
    turn = 0
    while not isinstance(condition, Value):
        if not condition or (isinstance(trips, int) and turn >= trips):
            return list(state)
        if not isinstance(trips, int) or (MOST_TURNS < trips < _ENDLESS) or turn >= MOST_TURNS:
            break
        condition, *state = run(frame, (turn, *state))
        turn += 1
    left = None if isinstance(trips, int) and trips >= _ENDLESS else compute(frame.b, "sub", trips, turn)
    return _Loop(frame, turn, run, state).written(left, condition)


class _Loop:
    """A loop that becomes a node: the state it carries, and the outside things it changes."""

    def __init__(self, frame: Frame, first: int, run: Run, state: Sequence[Any]) -> None:
        self.frame = frame
        self.first = first
        self.run = run
        self.state = list(state)
        self.changed: list[Ref] = []
        self.stays: list[bool] = []
        """Which variables are, after a turn, still what they were before it."""
        self.structures: list[Structure] = [describe(frame, each) for each in state]

    def written(self, trips: Any, condition: Any) -> list[Any]:
        """The node's results, as things of the frame around it."""
        shapes: dict[int, tuple[Dim, ...]] = {}
        for _ in range(_MOST_TRIALS):
            start = _all_apart(self.frame, [*self.state, *self.changed], self.structures)
            types = [v.type.with_shape(shapes.get(i, v.shape)) for i, v in enumerate(start)]
            inner = self.frame.inner()
            inner.b.graph.name = "body"
            turn = inner.b.graph.add_input(TensorType(I64, ()), "i")
            given = [inner.b.graph.add_input(type, f"x{i}") for i, type in enumerate(types)]
            more, produced, settled = self._turn(inner, turn, given)
            if not settled:
                shapes = {}
                continue
            loose = {
                i: tuple(
                    d if d == e else d if d != value.shape[axis] else self.frame.b.fresh.take()
                    for axis, (d, e) in enumerate(zip(type.shape, out.shape, strict=True))
                )
                for i, (type, out, value) in enumerate(zip(types, produced, start, strict=True))
            }
            if any(loose[i] != type.shape for i, type in enumerate(types)):
                shapes = loose
                continue
            flag = tensor(inner.b, more, BOOL)
            inner.b.graph.set_outputs([flag, *produced], [f"out{i}" for i in range(1 + len(produced))])
            b = self.frame.b
            limit = None if trips is None else tensor(b, trips, I64)
            begins = None if condition is True else tensor(b, condition, BOOL)
            operands = (*start, *inner.captured)
            results = list(b.loop(limit, begins, *operands, body=inner.b.graph, carried=len(start)))
            made = _back(self.frame, self.structures, results[: len(start)], self.changed, len(self.state))
            return [self._same(i, each) for i, each in enumerate(made)]
        raise UnsupportedModel("a loop whose variables take ever new shapes")

    def _same(self, i: int, made: Any) -> Any:
        """Variable number i after the loop: what it was before, with a new content, where no turn assigns it."""
        before = self.state[i]
        if not self.stays[i] or isinstance(before, View) or not isinstance(before, Tensor | Items | Table):
            return made
        self.frame.write(before, self.frame.read(made))
        return before

    def _turn(self, inner: Frame, turn: Value, given: list[Value]) -> tuple[Any, list[Value], bool]:
        """One turn of the body: the next condition, the carried tensors, and whether the state held what it says."""
        values = iter(given)
        count = len(self.state)
        things = [rebuild(inner, structure, values) for structure in self.structures[:count]]
        for ref, structure in zip(self.changed, self.structures[count:], strict=True):
            refill(inner, ref, structure, values)
        number = compute(inner.b, "add", turn, self.first) if self.first else turn
        more, *after = self.run(inner, (number, *things))
        self.stays = [thing is given_thing for thing, given_thing in zip(after, things, strict=True)]
        new = [ref for ref in inner.effects() if ref not in self.changed]
        joined = [
            join(structure, describe(inner, thing))
            for structure, thing in zip(self.structures, [*after, *self.changed], strict=True)
        ]
        if new or not all(map(alike, joined, self.structures)):
            more_structures = [join(describe(self.frame, ref), describe(inner, ref)) for ref in new]
            self.structures = [*joined, *more_structures]
            self.changed += new
            return None, [], False
        return more, _all_apart(inner, [*after, *self.changed], self.structures), True


def _all_apart(frame: Frame, things: Sequence[Any], structures: Sequence[Structure]) -> list[Value]:
    return [v for thing, structure in zip(things, structures, strict=True) for v in take_apart(frame, thing, structure)]


def _back(
    frame: Frame, structures: Sequence[Structure], results: Sequence[Value], changed: Sequence[Ref], count: int
) -> list[Any]:
    values = iter(results)
    things = [rebuild(frame, structure, values) for structure in structures[:count]]
    for ref, structure in zip(changed, structures[count:], strict=True):
        refill(frame, ref, structure, values)
    return things
