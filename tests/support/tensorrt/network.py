"""A network definition as plain records: what TensorRT stores of it, read back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import numpy_type
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.library import library


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor: who makes it (None for network inputs), its element type and dims, where -1 is any size."""

    name: str
    layer: Layer | None
    dtype: np.dtype[Any]
    dims: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer: the name of its class, its parameters as TensorRT's object, its tensors (None for inputs left out)."""

    name: str
    kind: str
    parameters: Any
    inputs: list[Tensor | None] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}'"


@dataclass(frozen=True, eq=False)
class Network:
    """All layers, and the network's inputs and outputs in its order."""

    layers: list[Layer]
    inputs: list[Tensor]
    outputs: list[Tensor]
    tensors: dict[Any, Tensor]
    """By TensorRT's object; the bindings return the same object for a tensor as long as it is held somewhere."""

    def tensor(self, handle: Any) -> Tensor | None:
        """The record of a tensor that a layer's parameters speak of."""
        return None if handle is None else self.tensors[handle]


def read(definition: Any) -> Network:
    """Read an `INetworkDefinition`; NetworkError names the layer whose output TensorRT cannot tell."""
    network = Network([], [], [], {})
    for i in range(definition.num_inputs):
        handle = definition.get_input(i)
        network.tensors[handle] = _tensor(handle, None)
        network.inputs.append(network.tensors[handle])
    handles = [_typed(definition.get_layer(i)) for i in range(definition.num_layers)]
    for handle in handles:
        layer = Layer(handle.name, type(handle).__name__, handle)
        network.layers.append(layer)
        for output in _outputs(handle):
            network.tensors[output] = _tensor(output, layer)
            layer.outputs.append(network.tensors[output])
    for layer in network.layers:  # a recurrence is fed by a later layer
        layer.inputs.extend(network.tensor(handle) for handle in _inputs(layer.parameters))
    for i in range(definition.num_outputs):
        network.outputs.append(network.tensors[definition.get_output(i)])
    return network


def _typed(handle: Any) -> Any:
    """`get_layer` returns a plain ILayer; its parameters are those of the class for its type."""
    name = _class_name(handle.type.name)
    if name is None:
        raise NetworkError(f"layer '{handle.name}' is of type {handle.type.name}, for which the bindings have no class")
    handle.__class__ = getattr(library(), name)
    return handle


@cache
def _class_name(layer_type: str) -> str | None:
    names = {name.lower(): name for name in dir(library()) if name.startswith("I") and name.endswith("Layer")}
    compact = layer_type.replace("_", "").lower()
    return names.get(f"i{compact}layer") or names.get(f"iif{compact}layer")


def _inputs(handle: Any) -> Iterator[Any]:
    return (handle.get_input(i) for i in range(handle.num_inputs))


def _outputs(handle: Any) -> Iterator[Any]:
    return (handle.get_output(i) for i in range(handle.num_outputs))


def _tensor(handle: Any, layer: Layer | None) -> Tensor:
    try:
        dims = tuple(handle.shape)
    except (RuntimeError, ValueError) as error:
        raise NetworkError(f"TensorRT infers no dims for output '{handle.name}' of {layer}: {error}") from None
    return Tensor(handle.name, layer, numpy_type(handle.dtype), dims)
