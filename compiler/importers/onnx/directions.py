"""What LSTM, GRU and RNN have in common: directions, layouts, lengths of sequences, and the loop over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.recurrence import Values, over_time
from isthmus.ir.dim import Dim, Shape, equal, less_equal
from isthmus.ir.errors import MalformedModel
from isthmus.ir.graph import Value

Direction: TypeAlias = Literal["forward", "reverse", "bidirectional"]
Layout: TypeAlias = Literal[0, 1]
Step: TypeAlias = Callable[[OnnxBuilder, Value, Values, Values], Values]
"""(builder, x's share of the gates, state, captured) -> new state, whose first part is what the layer gives."""

_BACKWARD: dict[Direction, tuple[bool, ...]] = {
    "forward": (False,),
    "reverse": (True,),
    "bidirectional": (False, True),
}


@dataclass(frozen=True)
class Weights:
    """Of one direction, for x [gates * H, I], for the state [gates * H, H], and their biases [gates * H]."""

    x: Value
    state: Value
    x_bias: Value | None = None
    state_bias: Value | None = None


@dataclass(frozen=True)
class Cell:
    """The equations of one direction: a step, what it captures, and a bias that holds for all steps."""

    bias: Value | None
    captured: Values
    step: Step


@dataclass(frozen=True)
class Layer:
    """What one node says but for its equations: x as [T, N, I], and its state as [N, H] for each direction."""

    b: OnnxBuilder
    x: Value
    weights: Sequence[Weights]
    hidden: Dim
    """H, the size of the state."""
    backward: Sequence[bool]
    """For each direction, whether it runs from the end to the start."""
    layout: Layout
    """1 if the batch comes first: before the directions in states, before time in x and in what is given."""
    live: Value | None
    """[T, N, 1], whether a step lies within its row's length; None where all do."""

    def states(self, initial: Value | None, what: str) -> Values:
        """The state each direction starts with: zeros unless given."""
        shape = self.x.shape[1], self.hidden
        if initial is not None:
            return apart(self.b, initial, what, len(self.backward), self.layout, shape)
        return [self.b.full(self.b.const(0.0, self.x.dtype), shape=shape)] * len(self.backward)

    def run(self, cells: Sequence[Cell], *starts: Values) -> tuple[Value | None, ...]:
        """Y and the last states, as far as the node names them. `starts` has every state for each direction."""
        b, count = self.b, range(len(self.backward))
        found = [self._over_time(i, cells[i], [each[i] for each in starts]) for i in count]
        last = [
            _together(b, [end[k] for end, _ in found], self.layout) if b.wants(1 + k) else None
            for k in range(len(starts))
        ]
        if not b.wants(0):
            return None, *last
        ys = [b.transpose(y, perm=(1, 0, 2)) if self.layout else y for _, (y,) in found]
        return _together(b, ys, self.layout + 1), *last

    def _over_time(self, index: int, cell: Cell, start: Values) -> tuple[Values, Values]:
        """One direction's last state and, if wanted, what it gives at each time.

        Backward, the steps beyond a row's length come first, and leave its state as it starts.
        """
        b, wanted = self.b, self.b.wants(0)

        def turned(v: Value) -> Value:
            return b.reverse(v, axes=(0,)) if self.backward[index] else v

        shares = b.matmul(turned(self.x), transposed(b, self.weights[index].x))
        shares = shares if cell.bias is None else b.add(shares, cell.bias)
        lives = [] if self.live is None else [turned(self.live)]

        def turn(inner: OnnxBuilder, state: Values, elements: Values, captured: Values) -> tuple[Values, Values]:
            after = cell.step(inner, elements[0], state, captured)
            for live in elements[1:]:
                after = [inner.where(live, new, old) for new, old in zip(after, state, strict=True)]
            return after, after[:1] if wanted else ()

        end, ys = over_time(b, turn, start, [shares, *lives], cell.captured)
        for live in lives:
            ys = tuple(b.where(live, y, 0.0) for y in ys)
        return end, [turned(y) for y in ys]


def layer_of(
    b: OnnxBuilder,
    gates: int,
    x: Value,
    weight: Value,
    recurrence: Value,
    bias: Value | None,
    sequence_lens: Value | None,
    direction: Direction,
    layout: Layout,
    hidden_size: int | None,
) -> Layer:
    """A node's layer. MalformedModel where its operands are known not to fit each other."""
    for name, each in (("X", x), ("W", weight), ("R", recurrence)):
        if each.rank != 3:
            raise MalformedModel(f"{name} is {each.type}, must have rank 3")
    hidden = recurrence.shape[2] if hidden_size is None else hidden_size
    backward = _BACKWARD[direction]
    count, rows = len(backward), gates * hidden
    weights = apart(b, weight, "W", count, 0, (rows, weight.shape[2]))
    states = apart(b, recurrence, "R", count, 0, (rows, hidden))
    both = [] if bias is None else apart(b, bias, "B", count, 0, (2 * rows,))
    biases = [b.split(each, axis=0, sizes=(rows, rows)) for each in both]
    parameters = [Weights(weights[i], states[i], *(biases[i] if biases else ())) for i in range(count)]
    x = b.transpose(x, perm=(1, 0, 2)) if layout else x
    return Layer(b, x, parameters, hidden, backward, layout, _live(b, sequence_lens, x.shape))


def apart(b: OnnxBuilder, x: Value, what: str, count: int, axis: int, shape: Shape) -> Values:
    """The parts of x, each of `shape`, along an axis of `count` directions. MalformedModel where it does not fit."""
    wanted = (*shape[:axis], count, *shape[axis:])
    if x.rank != len(wanted) or any(equal(a, d) is False for a, d in zip(x.shape, wanted, strict=True)):
        raise MalformedModel(f"{what} is {x.type}, must be [{', '.join(map(str, wanted))}]")
    each = (x,) if count == 1 else b.split(x, axis=axis, sizes=(1,) * count)
    return [b.reshape(part, shape=shape) for part in each]


def transposed(b: OnnxBuilder, matrix: Value) -> Value:
    """The matrix with rows as columns."""
    return b.transpose(matrix, perm=(1, 0))


def _together(b: OnnxBuilder, parts: Values, axis: int) -> Value:
    wide = [b.reshape(v, shape=(*v.shape[:axis], 1, *v.shape[axis:])) for v in parts]
    return wide[0] if len(wide) == 1 else b.concat(*wide, axis=axis)


def _live(b: OnnxBuilder, lengths: Value | None, shape: Shape) -> Value | None:
    if lengths is None:
        return None
    time, batch, _ = shape
    if lengths.rank != 1 or equal(lengths.shape[0], batch) is False:
        raise MalformedModel(f"sequence_lens is {lengths.type}, must be [{batch}]")
    known = b.sizes(lengths)
    if known is not None and all(less_equal(time, each) is True for each in known):
        return None
    steps = b.iota(dtype=lengths.dtype, shape=(time, 1, 1), axis=0)
    return b.less(steps, b.reshape(lengths, shape=(1, batch, 1)))
