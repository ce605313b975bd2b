"""What is inside which loop. TensorRT stores a flat list of layers; only the boundary layers tell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.network import Layer, Network, Tensor

LOOP_LAYERS = frozenset({"ITripLimitLayer", "IRecurrenceLayer", "IIteratorLayer", "ILoopOutputLayer"})


@dataclass(eq=False)
class Loop:
    """The boundary layers of one loop."""

    limits: list[Layer] = field(default_factory=list)
    recurrences: list[Layer] = field(default_factory=list)
    iterators: list[Layer] = field(default_factory=list)
    outputs: list[Layer] = field(default_factory=list)

    def add(self, layer: Layer) -> None:
        """Put a boundary layer where its kind belongs."""
        kinds = {
            "ITripLimitLayer": self.limits,
            "IRecurrenceLayer": self.recurrences,
            "IIteratorLayer": self.iterators,
            "ILoopOutputLayer": self.outputs,
        }
        kinds[layer.kind].append(layer)

    @property
    def layers(self) -> list[Layer]:
        """All boundary layers."""
        return [*self.limits, *self.recurrences, *self.iterators, *self.outputs]


Loops: TypeAlias = frozenset[Loop]


@dataclass(frozen=True)
class Structure:
    """For each boundary layer its loop, for each tensor the innermost loop that computes it anew each iteration."""

    loop_of: dict[Layer, Loop]
    home: dict[Tensor, Loop | None]
    conditions: dict[object, Tensor]
    """By conditional: the tensor that chooses the branch."""
    assertions: dict[Loop | None, list[Layer]]


def analyse(network: Network) -> Structure:
    """Find the loops and conditionals of a network."""
    loop_of = _loops(network)
    inside = _membership(network, loop_of)
    depth = {loop: max((len(inside[t]) for t in _carried(loop)), default=0) for loop in loop_of.values()}

    def innermost(loops: Loops) -> Loop | None:
        return max(loops, key=lambda loop: depth[loop], default=None)

    assertions: dict[Loop | None, list[Layer]] = defaultdict(list)
    conditions: dict[object, Tensor] = {}
    for layer in network.layers:
        if layer.kind == "IAssertionLayer":
            assertions[innermost(inside[_given(layer, 0)])].append(layer)
        if layer.kind == "IConditionLayer":
            conditions[layer.parameters.conditional] = _given(layer, 0)
    return Structure(loop_of, {t: innermost(loops) for t, loops in inside.items()}, conditions, assertions)


def _given(layer: Layer, index: int) -> Tensor:
    tensor = layer.inputs[index] if index < len(layer.inputs) else None
    if tensor is None:
        raise NetworkError(f"{layer} lacks its input {index}")
    return tensor


def _loops(network: Network) -> dict[Layer, Loop]:
    """The bindings return one object for a loop as long as a boundary layer holds it."""
    by_handle: dict[object, Loop] = defaultdict(Loop)
    found: dict[Layer, Loop] = {}
    for layer in network.layers:
        if layer.kind in LOOP_LAYERS:
            found[layer] = by_handle[layer.parameters.loop]
            found[layer].add(layer)
    return found


def _carried(loop: Loop) -> list[Tensor]:
    return [output for layer in (*loop.recurrences, *loop.iterators) for output in layer.outputs]


def _membership(network: Network, loop_of: dict[Layer, Loop]) -> dict[Tensor, Loops]:
    """The loops each tensor is in, by following what depends on recurrences and iterators until nothing changes.

    A loop is itself inside whatever loop its boundary layers take tensors from.
    """
    inside: dict[Tensor, Loops] = defaultdict(frozenset)
    enclosing: dict[Loop, Loops] = defaultdict(frozenset)
    changed = True
    while changed:
        changed = False
        for layer in network.layers:
            around: Loops = frozenset().union(*(inside[t] for t in layer.inputs if t is not None))
            loop = loop_of.get(layer)
            if loop is not None:
                enclosing[loop] |= around - {loop}
                own = frozenset() if layer.kind == "ILoopOutputLayer" else frozenset({loop})
                around = enclosing[loop] | own
            for output in layer.outputs:
                changed |= not around <= inside[output]
                inside[output] |= around
    return inside
