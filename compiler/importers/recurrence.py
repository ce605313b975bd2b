"""The loop over time that recurrent layers of every format become: one scan that carries their state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.ir.graph import Value

B = TypeVar("B", bound=ImportBuilder)
Values: TypeAlias = Sequence[Value]
Turn: TypeAlias = Callable[[B, Values, Values, Values], tuple[Values, Values]]
"""(the body's builder, state, elements of the sequences, captured) -> (new state, what is yielded)."""


def over_time(
    b: B, turn: Turn[B], state: Values, sequences: Values, captured: Values = ()
) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """`turn` for each element of axis 0 of the sequences, in order: the last state, and the yielded values stacked.

    What the turn uses from outside, such as weights, must be in `captured`. A single turn, as where audio comes piece
    by piece, needs no loop.
    """
    if all(v.shape[0] == 1 for v in sequences):
        end, given = turn(b, state, [b.reshape(v, shape=v.shape[1:]) for v in sequences], captured)
        return tuple(end), tuple(b.reshape(v, shape=(1, *v.shape)) for v in given)
    inner = b.body()
    inner.graph.name = "step"
    before = [inner.graph.add_input(v.type, f"state{i}") for i, v in enumerate(state)]
    elements = [inner.graph.add_input(v.type.with_shape(v.shape[1:]), f"x{i}") for i, v in enumerate(sequences)]
    inside = [inner.graph.add_input(v.type, f"w{i}") for i, v in enumerate(captured)]
    after, yielded = turn(inner, before, elements, inside)
    outputs = [*after, *yielded]
    inner.graph.set_outputs(outputs, [f"out{i}" for i in range(len(outputs))])
    results = b.scan(*state, *sequences, *captured, body=inner.graph, carried=len(state), scanned=len(sequences))
    return results[: len(state)], results[len(state) :]
