"""The activation functions of recurrent layers' gates, which ONNX gives as lists of names and of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.compiler.importers.onnx.frame import OnnxBuilder
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value

Gate: TypeAlias = Callable[[OnnxBuilder, Value], Value]
Floats: TypeAlias = tuple[float, ...]
Names: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Activation:
    """A function of x and of as many parameters (alpha, beta) as it has defaults; None where ONNX has no default."""

    apply: Callable[..., Value]
    defaults: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class GateFunctions:
    """What `activations`, `activation_alpha` and `activation_beta` say, for all directions."""

    names: Names
    alphas: Floats = ()
    betas: Floats = ()

    def by_direction(self, directions: int, each: int) -> list[list[Gate]]:
        """`each` functions for every direction. MalformedModel unless there are as many, each with its numbers."""
        if len(self.names) != directions * each:
            raise MalformedModel(f"{len(self.names)} activations, must be {each} for each of {directions} directions")
        found = [_activation(name) for name in self.names]
        alphas = _dealt(self.alphas, [len(f.defaults) > 0 for f in found], "activation_alpha")
        betas = _dealt(self.betas, [len(f.defaults) > 1 for f in found], "activation_beta")
        gates = [_gate(*each) for each in zip(self.names, found, alphas, betas, strict=True)]
        return [gates[i * each : (i + 1) * each] for i in range(directions)]


def clipped(gate: Gate, threshold: float | None) -> Gate:
    """`gate` of its operand cut to -threshold..threshold. MalformedModel for a threshold that is not positive."""
    if threshold is None:
        return gate
    if not threshold > 0:
        raise MalformedModel(f"clip is {threshold}, must be positive")
    return lambda b, x: gate(b, b.clip(x, -threshold, threshold))


def _activation(name: str) -> Activation:
    found = _BY_NAME.get(name.lower())
    if found is None:
        raise UnsupportedModel(
            f"the activation {name!r} is not supported", hint=f"supported are: {', '.join(ACTIVATIONS)}"
        )
    return found


def _dealt(numbers: Floats, takes: Sequence[bool], what: str) -> list[float | None]:
    """As many numbers as functions are theirs one by one; fewer go, in order, to the functions that take one."""
    if len(numbers) == len(takes):
        return list(numbers)
    if len(numbers) > sum(takes) > 0:
        raise MalformedModel(f"{what} has {len(numbers)} numbers for {sum(takes)} activations that take one")
    left: Iterator[float] = iter(numbers)
    return [next(left, None) if taken else None for taken in takes]


def _gate(name: str, activation: Activation, *given: float | None) -> Gate:
    pairs = zip(given, activation.defaults, strict=False)
    numbers = [default if number is None else number for number, default in pairs]
    if None in numbers:
        raise MalformedModel(f"the activation {name!r} needs activation_alpha and activation_beta")
    return lambda b, x: activation.apply(b, x, *numbers)


def _thresholded_relu(b: OnnxBuilder, x: Value, alpha: float) -> Value:
    """Unlike the op of that name, it keeps x = alpha."""
    return b.where(b.less(x, alpha), 0.0, x)


ACTIVATIONS: Mapping[str, Activation] = {
    "Relu": Activation(lambda b, x: b.relu(x)),
    "Tanh": Activation(lambda b, x: b.tanh(x)),
    "Sigmoid": Activation(lambda b, x: b.sigmoid(x)),
    "Affine": Activation(lambda b, x, alpha, beta: b.add(b.mul(x, alpha), beta), (1.0, 0.0)),
    "LeakyRelu": Activation(lambda b, x, alpha: b.leaky_relu(x, slope=alpha), (0.01,)),
    "ThresholdedRelu": Activation(_thresholded_relu, (1.0,)),
    "ScaledTanh": Activation(lambda b, x, alpha, beta: b.mul(b.tanh(b.mul(x, beta)), alpha), (None, None)),
    "HardSigmoid": Activation(lambda b, x, alpha, beta: b.hard_sigmoid(x, alpha=alpha, beta=beta), (0.2, 0.5)),
    "Elu": Activation(lambda b, x, alpha: b.elu(x, alpha=alpha), (1.0,)),
    "Softsign": Activation(lambda b, x: b.softsign(x)),
    "Softplus": Activation(lambda b, x: b.softplus(x)),
}
"""By the names ONNX gives them, with the defaults of the ops of those names."""

_BY_NAME = {name.lower(): activation for name, activation in ACTIVATIONS.items()}
"""Older exporters write names in lower case."""
