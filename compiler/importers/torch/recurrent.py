"""LSTM, GRU and plain recurrent layers: one scan over time for each layer and direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from isthmus.compiler.importers.recurrence import Values, over_time
from isthmus.compiler.importers.torch.args import permuted
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.schema import AtenLowering, aten
from isthmus.ir.dim import floordiv
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value

State: TypeAlias = tuple[Value, ...]
Step: TypeAlias = Callable[[TorchBuilder, Value, Value, State], State]
"""(builder, the input's share of the gates, the state's share, state) -> new state, whose first part is yielded."""


def _recurrent(op: str, step: Step) -> AtenLowering[State]:
    @aten(op)
    def layers(
        b: TorchBuilder,
        x: Value,
        hx: Value | Sequence[Value],
        params: Sequence[Value],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> State:
        """The last layer's results, and the last state of every layer and direction."""
        if train and dropout and num_layers > 1:
            raise UnsupportedModel("a recurrent layer with dropout in training mode", hint="call model.eval() first")
        directions = 2 if bidirectional else 1
        each = len(params) // (num_layers * directions)
        state = [hx] if isinstance(hx, Value) else list(hx)
        starts = [_apart(b, part) for part in state]
        ends: list[State] = []
        x = permuted(b, x, (1, 0, 2)) if batch_first else x
        for layer in range(num_layers):
            yielded = []
            for direction in range(directions):
                i = layer * directions + direction
                weights = _Weights(params[i * each : (i + 1) * each], has_biases)
                y, end = _run(b, x, tuple(part[i] for part in starts), weights, step, bool(direction))
                yielded.append(y)
                ends.append(end)
            x = yielded[0] if directions == 1 else b.concat(*yielded, axis=2)
        x = permuted(b, x, (1, 0, 2)) if batch_first else x
        return x, *(_together(b, [end[k] for end in ends]) for k in range(len(state)))

    return layers


class _Weights:
    """Of one layer and direction: for the input, for the state, their biases, and the projection of the state."""

    def __init__(self, params: Sequence[Value], has_biases: bool) -> None:
        rest = list(params)
        if len(rest) not in (2, 3, 4, 5):
            raise MalformedModel(f"a recurrent layer has {len(rest)} parameters")
        self.input, self.state = rest.pop(0), rest.pop(0)
        self.input_bias = rest.pop(0) if has_biases else None
        self.state_bias = rest.pop(0) if has_biases else None
        self.projection = rest.pop(0) if rest else None


def _run(b: TorchBuilder, x: Value, start: State, weights: _Weights, step: Step, backward: bool) -> tuple[Value, State]:
    """x [T, N, K] through one layer; the input's share of the gates is one product for all times."""
    shares = b.matmul(x, b.transpose(weights.input, perm=(1, 0)))
    shares = shares if weights.input_bias is None else b.add(shares, weights.input_bias)
    shares = b.reverse(shares, axes=(0,)) if backward else shares
    outside = [b.transpose(weights.state, perm=(1, 0))]
    outside += [] if weights.state_bias is None else [weights.state_bias]
    outside += [] if weights.projection is None else [b.transpose(weights.projection, perm=(1, 0))]

    def turn(inner: TorchBuilder, state: Values, elements: Values, captured: Values) -> tuple[Values, Values]:
        gates = inner.matmul(state[0], captured[0])
        gates = gates if weights.state_bias is None else inner.add(gates, captured[1])
        after = step(inner, elements[0], gates, tuple(state))
        if weights.projection is not None:
            after = inner.matmul(after[0], captured[-1]), *after[1:]
        return after, after[:1]

    end, (y,) = over_time(b, turn, start, (shares,), outside)
    return b.reverse(y, axes=(0,)) if backward else y, end


def _lstm(b: TorchBuilder, x: Value, h: Value, state: State) -> State:
    """c' = sigmoid(f) * c + sigmoid(i) * tanh(g); h' = sigmoid(o) * tanh(c'). Gates in the order i, f, g, o."""
    i, f, g, o = _gates(b, b.add(x, h), 4)
    cell = b.add(b.mul(b.sigmoid(f), state[1]), b.mul(b.sigmoid(i), b.tanh(g)))
    return b.mul(b.sigmoid(o), b.tanh(cell)), cell


def _gru(b: TorchBuilder, x: Value, h: Value, state: State) -> State:
    """h' = (1 - z) * n + z * h with n = tanh(x_n + r * h_n). Gates in the order r, z, n."""
    (x_r, x_z, x_n), (h_r, h_z, h_n) = _gates(b, x, 3), _gates(b, h, 3)
    new = b.tanh(b.add(x_n, b.mul(b.sigmoid(b.add(x_r, h_r)), h_n)))
    return (b.add(new, b.mul(b.sigmoid(b.add(x_z, h_z)), b.sub(state[0], new))),)


def _tanh(b: TorchBuilder, x: Value, h: Value, state: State) -> State:
    return (b.tanh(b.add(x, h)),)


def _relu(b: TorchBuilder, x: Value, h: Value, state: State) -> State:
    return (b.relu(b.add(x, h)),)


lstm = _recurrent("lstm.input", _lstm)
gru = _recurrent("gru.input", _gru)
rnn_tanh = _recurrent("rnn_tanh.input", _tanh)
rnn_relu = _recurrent("rnn_relu.input", _relu)


def _gates(b: TorchBuilder, x: Value, count: int) -> Sequence[Value]:
    size = floordiv(x.shape[-1], count)
    return list(b.split(x, axis=x.rank - 1, sizes=(size,) * count))


def _apart(b: TorchBuilder, state: Value) -> list[Value]:
    """[layers * directions, N, H] as one [N, H] for each."""
    count = state.shape[0]
    if not isinstance(count, int):
        raise MalformedModel(f"the state {state} has no known number of layers")
    parts = [state] if count == 1 else list(b.split(state, axis=0, sizes=(1,) * count))
    return [b.reshape(part, shape=part.shape[1:]) for part in parts]


def _together(b: TorchBuilder, states: Sequence[Value]) -> Value:
    wide = [b.reshape(v, shape=(1, *v.shape)) for v in states]
    return wide[0] if len(wide) == 1 else b.concat(*wide, axis=0)
