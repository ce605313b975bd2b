"""LSTM, GRU and RNN: one scan over time for each direction. Equations are those of ONNX's operator reference.

`sequence_lens`: what is given beyond a row's length is zeros, its last state is the one at its length (the one it
starts with, where that is 0), and backward it starts at its own end. `clip` bounds what goes into the gates' functions,
not the cell state, as in onnxruntime. `output_sequence`, of operator sets before 7, says what absent outputs say too.
"""

from __future__ import annotations

from isthmus.compiler.importers.lowering import lowers
from isthmus.compiler.importers.onnx.directions import (
    Cell,
    Direction,
    Layout,
    Weights,
    apart,
    layer_of,
    transposed,
)
from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.compiler.importers.onnx.gates import Floats, Gate, GateFunctions, Names, clipped
from isthmus.compiler.importers.recurrence import Values
from isthmus.ir.graph import Value


@lowers("RNN")
def rnn(
    b: OnnxBuilder,
    x: Value,
    weight: Value,
    recurrence: Value,
    bias: Value | None = None,
    sequence_lens: Value | None = None,
    initial_h: Value | None = None,
    *,
    activations: Names = ("Tanh", "Tanh"),
    activation_alpha: Floats = (),
    activation_beta: Floats = (),
    clip: float | None = None,
    direction: Direction = "forward",
    hidden_size: int | None = None,
    layout: Layout = 0,
    output_sequence: int = 0,
) -> tuple[Value | None, ...]:
    """H' = f(X W + H R + biases). The default names two functions, so one direction may too."""
    layer = layer_of(b, 1, x, weight, recurrence, bias, sequence_lens, direction, layout, hidden_size)
    count = len(layer.backward)
    names = activations[:1] if count == 1 else activations
    functions = GateFunctions(names, activation_alpha, activation_beta).by_direction(count, 1)
    cells = [_rnn(b, w, clipped(f, clip)) for w, (f,) in zip(layer.weights, functions, strict=True)]
    return layer.run(cells, layer.states(initial_h, "initial_h"))


@lowers("GRU")
def gru(
    b: OnnxBuilder,
    x: Value,
    weight: Value,
    recurrence: Value,
    bias: Value | None = None,
    sequence_lens: Value | None = None,
    initial_h: Value | None = None,
    *,
    activations: Names | None = None,
    activation_alpha: Floats = (),
    activation_beta: Floats = (),
    clip: float | None = None,
    direction: Direction = "forward",
    hidden_size: int | None = None,
    layout: Layout = 0,
    linear_before_reset: bool = False,
    output_sequence: int = 0,
) -> tuple[Value | None, ...]:
    layer = layer_of(b, 3, x, weight, recurrence, bias, sequence_lens, direction, layout, hidden_size)
    count = len(layer.backward)
    names = ("Sigmoid", "Tanh") * count if activations is None else activations
    functions = GateFunctions(names, activation_alpha, activation_beta).by_direction(count, 2)
    make = _gru_linear_before_reset if linear_before_reset else _gru
    cells = [make(b, w, clipped(f, clip), clipped(g, clip)) for w, (f, g) in zip(layer.weights, functions, strict=True)]
    return layer.run(cells, layer.states(initial_h, "initial_h"))


@lowers("LSTM")
def lstm(
    b: OnnxBuilder,
    x: Value,
    weight: Value,
    recurrence: Value,
    bias: Value | None = None,
    sequence_lens: Value | None = None,
    initial_h: Value | None = None,
    initial_c: Value | None = None,
    peepholes: Value | None = None,
    *,
    activations: Names | None = None,
    activation_alpha: Floats = (),
    activation_beta: Floats = (),
    clip: float | None = None,
    direction: Direction = "forward",
    hidden_size: int | None = None,
    input_forget: bool = False,
    layout: Layout = 0,
    output_sequence: int = 0,
) -> tuple[Value | None, ...]:
    layer = layer_of(b, 4, x, weight, recurrence, bias, sequence_lens, direction, layout, hidden_size)
    count, size = len(layer.backward), layer.hidden
    names = ("Sigmoid", "Tanh", "Tanh") * count if activations is None else activations
    functions = GateFunctions(names, activation_alpha, activation_beta).by_direction(count, 3)
    through = [] if peepholes is None else apart(b, peepholes, "P", count, 0, (3 * size,))
    seen = [b.split(each, axis=0, sizes=(size,) * 3) for each in through] or [()] * count
    cells = [
        _lstm(b, w, p, clipped(f, clip), clipped(g, clip), h, input_forget)
        for w, p, (f, g, h) in zip(layer.weights, seen, functions, strict=True)
    ]
    return layer.run(cells, layer.states(initial_h, "initial_h"), layer.states(initial_c, "initial_c"))


def _rnn(b: OnnxBuilder, weights: Weights, f: Gate) -> Cell:
    def step(b: OnnxBuilder, share: Value, state: Values, captured: Values) -> Values:
        return (f(b, b.add(share, b.matmul(state[0], captured[0]))),)

    return Cell(_all_biases(b, weights), [transposed(b, weights.state)], step)


def _lstm(b: OnnxBuilder, weights: Weights, peepholes: Values, f: Gate, g: Gate, h: Gate, input_forget: bool) -> Cell:
    """c' = f * c + i * g(.), h' = o * h(c'). Gates in the order i, o, f, c; peepholes in the order i, o, f."""

    def step(b: OnnxBuilder, share: Value, state: Values, captured: Values) -> Values:
        hidden, cell = state
        recurrence, *through = captured

        def gate(x: Value, index: int, seen: Value) -> Value:
            return f(b, b.add(x, b.mul(through[index], seen)) if through else x)

        gates = b.add(share, b.matmul(hidden, recurrence))
        i, o, forget, c = b.split(gates, axis=1, sizes=(cell.shape[1],) * 4)
        i = gate(i, 0, cell)
        forget = b.sub(1.0, i) if input_forget else gate(forget, 2, cell)
        after = b.add(b.mul(forget, cell), b.mul(i, g(b, c)))
        return b.mul(gate(o, 1, after), h(b, after)), after

    return Cell(_all_biases(b, weights), [transposed(b, weights.state), *peepholes], step)


def _gru(b: OnnxBuilder, weights: Weights, f: Gate, g: Gate) -> Cell:
    """h' = (1 - z) * n + z * h with n = g(x_n + (r * h) R_n). Gates in the order z, r, n."""
    size = weights.state.shape[1]
    recurrences = b.split(weights.state, axis=0, sizes=(2 * size, size))

    def step(b: OnnxBuilder, share: Value, state: Values, captured: Values) -> Values:
        (hidden,) = state
        both, candidate = b.split(share, axis=1, sizes=(2 * size, size))
        z, r = b.split(f(b, b.add(both, b.matmul(hidden, captured[0]))), axis=1, sizes=(size, size))
        new = g(b, b.add(candidate, b.matmul(b.mul(r, hidden), captured[1])))
        return (_mixed(b, z, new, hidden),)

    return Cell(_all_biases(b, weights), [transposed(b, each) for each in recurrences], step)


def _gru_linear_before_reset(b: OnnxBuilder, weights: Weights, f: Gate, g: Gate) -> Cell:
    """h' = (1 - z) * n + z * h with n = g(x_n + r * (h R_n + bias)). Gates in the order z, r, n."""
    size = weights.state.shape[1]
    sizes = 2 * size, size
    bias, inside = None, []
    if weights.x_bias is not None and weights.state_bias is not None:
        (both, candidate), (more, linear) = (
            b.split(each, axis=0, sizes=sizes) for each in (weights.x_bias, weights.state_bias)
        )
        bias, inside = b.concat(b.add(both, more), candidate, axis=0), [linear]

    def step(b: OnnxBuilder, share: Value, state: Values, captured: Values) -> Values:
        (hidden,) = state
        recurrence, *linear_bias = captured
        of_x, candidate = b.split(share, axis=1, sizes=sizes)
        of_state, linear = b.split(b.matmul(hidden, recurrence), axis=1, sizes=sizes)
        z, r = b.split(f(b, b.add(of_x, of_state)), axis=1, sizes=(size, size))
        linear = b.add(linear, linear_bias[0]) if linear_bias else linear
        return (_mixed(b, z, g(b, b.add(candidate, b.mul(r, linear))), hidden),)

    return Cell(bias, [transposed(b, weights.state), *inside], step)


def _mixed(b: OnnxBuilder, z: Value, new: Value, old: Value) -> Value:
    return b.add(b.mul(b.sub(1.0, z), new), b.mul(z, old))


def _all_biases(b: OnnxBuilder, weights: Weights) -> Value | None:
    if weights.x_bias is None or weights.state_bias is None:
        return None
    return b.add(weights.x_bias, weights.state_bias)
