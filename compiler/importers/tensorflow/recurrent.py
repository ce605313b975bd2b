"""TensorFlow 1's recurrent cells in one op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.recurrence import Values, over_time
from isthmus.compiler.importers.tensorflow.args import converted, scalar
from isthmus.compiler.importers.tensorflow.frame import TfBuilder
from isthmus.ir.builder import Builder
from isthmus.ir.dim import equal
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64


@dataclass(frozen=True)
class _Cell:
    """How a cell's gates are computed: their order in the weights, and what is added or cut."""

    order: tuple[str, str, str, str]
    forget_bias: float
    clip: float

    def step(
        self, b: Builder, x: Value, state: Value, hidden: Value, weight: Value, bias: Value, peep: Sequence[Value]
    ) -> tuple[Value, ...]:
        """i, cs, f, o, ci, co, h of one step."""
        size = state.shape[-1]
        product = b.add(b.matmul(b.concat(x, hidden, axis=1), weight), bias)
        parts = dict(zip(self.order, b.split(product, axis=1, sizes=(size,) * 4), strict=True))
        before = [b.mul(state, w) for w in peep[:2]]
        i = b.sigmoid(b.add(parts["i"], before[0]) if peep else parts["i"])
        forget = b.add(parts["f"], self.forget_bias) if self.forget_bias else parts["f"]
        f = b.sigmoid(b.add(forget, before[1]) if peep else forget)
        ci = b.tanh(parts["c"])
        cs = b.add(b.mul(ci, i), b.mul(state, f))
        cs = b.clip(cs, -self.clip, self.clip) if self.clip > 0 else cs
        o = b.sigmoid(b.add(parts["o"], b.mul(cs, peep[2])) if peep else parts["o"])
        co = b.tanh(cs)
        return i, cs, f, o, ci, co, b.mul(co, o)


_V1, _V2 = ("i", "c", "f", "o"), ("i", "f", "c", "o")


@lowers("LSTMBlockCell")
def lstm_cell(
    b: TfBuilder,
    x: Value,
    state: Value,
    hidden: Value,
    weight: Value,
    wci: Value,
    wcf: Value,
    wco: Value,
    bias: Value,
    *,
    forget_bias: float = 1.0,
    cell_clip: float = 3.0,
    use_peephole: bool = False,
) -> tuple[Value, ...]:
    peep = (wci, wcf, wco) if use_peephole else ()
    return _Cell(_V1, forget_bias, cell_clip).step(b, x, state, hidden, weight, bias, peep)


@lowers("BlockLSTM")
def block_lstm(
    b: TfBuilder,
    length: Value,
    x: Value,
    state: Value,
    hidden: Value,
    weight: Value,
    wci: Value,
    wcf: Value,
    wco: Value,
    bias: Value,
    *,
    forget_bias: float = 1.0,
    cell_clip: float = 3.0,
    use_peephole: bool = False,
) -> tuple[Value, ...]:
    peep = (wci, wcf, wco) if use_peephole else ()
    return _over_time(b, _Cell(_V1, forget_bias, cell_clip), length, x, state, hidden, weight, bias, peep)


@lowers("BlockLSTMV2")
def block_lstm_v2(
    b: TfBuilder,
    length: Value,
    x: Value,
    state: Value,
    hidden: Value,
    weight: Value,
    wci: Value,
    wcf: Value,
    wco: Value,
    bias: Value,
    *,
    cell_clip: float = 0.0,
    use_peephole: bool = False,
) -> tuple[Value, ...]:
    peep = (wci, wcf, wco) if use_peephole else ()
    return _over_time(b, _Cell(_V2, 0.0, cell_clip), length, x, state, hidden, weight, bias, peep)


@lowers("GRUBlockCell")
def gru_cell(
    b: TfBuilder, x: Value, hidden: Value, gates: Value, candidate: Value, gate_bias: Value, candidate_bias: Value
) -> tuple[Value, ...]:
    """r, u, c, h of one step."""
    size = hidden.shape[-1]
    both = b.sigmoid(b.add(b.matmul(b.concat(x, hidden, axis=1), gates), gate_bias))
    r, u = b.split(both, axis=1, sizes=(size, size))
    c = b.tanh(b.add(b.matmul(b.concat(x, b.mul(hidden, r), axis=1), candidate), candidate_bias))
    return r, u, c, b.add(b.mul(u, hidden), b.mul(b.sub(1.0, u), c))


def _over_time(
    b: TfBuilder,
    cell: _Cell,
    length: Value,
    x: Value,
    state: Value,
    hidden: Value,
    weight: Value,
    bias: Value,
    peep: Sequence[Value],
) -> tuple[Value, ...]:
    """x [T, N, I] step by step; results from step `length` on are zeros."""
    if x.rank != 3:
        raise UnsupportedModel(f"{x} is not [time, batch, inputs]")

    def turn(inner: TfBuilder, before: Values, elements: Values, captured: Values) -> tuple[Values, Values]:
        found = cell.step(inner, elements[0], before[0], before[1], captured[0], captured[1], captured[2:])
        return (found[1], found[6]), found

    _, results = over_time(b, turn, (state, hidden), (x,), (weight, bias, *peep))
    steps = b.sizes(scalar(b, length))
    if steps is not None and equal(steps[0], x.shape[0]) is True:
        return results
    time = b.iota(dtype=I64, shape=(x.shape[0], 1, 1), axis=0)
    live = b.less(time, converted(b, scalar(b, length), I64))
    return tuple(b.where(live, each, 0.0) for each in results)
