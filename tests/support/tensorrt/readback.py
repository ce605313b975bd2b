"""What tests call: a network run in numpy, and all its tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from tests.support.tensorrt.element_types import Array
from tests.support.tensorrt.errors import NetworkError
from tests.support.tensorrt.execution import Execution, check
from tests.support.tensorrt.layers import (
    attention,
    convolution,
    creation,
    elementwise,
    grid_sample,
    indexing,
    linalg,
    movement,
    normalization,
    pooling,
    quantization,
    reduction,
    resize,
    suppression,
)
from tests.support.tensorrt.meaning import Meaning, collect
from tests.support.tensorrt.network import Tensor, read

MODULES = (
    attention,
    convolution,
    creation,
    elementwise,
    grid_sample,
    indexing,
    linalg,
    movement,
    normalization,
    pooling,
    quantization,
    reduction,
    resize,
    suppression,
)


@cache
def meanings() -> dict[str, Meaning]:
    """The meaning of each layer class."""
    return dict(collect(MODULES))


def run_network(definition: Any, arrays: Sequence[Array]) -> list[Array]:
    """Run an `INetworkDefinition` on numpy arrays, inputs and outputs in the network's order.

    Nothing is built; no GPU is used. Every array, given or computed, must have the type and dims that the network
    declares for its tensor (-1 fits any size). NetworkError names the tensor or layer where one has not, where a layer
    has no meaning here, and where a layer does what TensorRT leaves undefined. Arrays of weights must still be alive.
    """
    network = read(definition)
    if len(arrays) != len(network.inputs):
        raise NetworkError(f"the network has {len(network.inputs)} inputs, {len(arrays)} arrays were given")
    for tensor, array in zip(network.inputs, arrays, strict=True):
        check(tensor, array)
    inputs = dict(zip(network.inputs, arrays, strict=True))
    return Execution(network, meanings()).run(inputs, network.outputs)


def tensors(definition: Any) -> Iterator[Tensor]:
    """Every tensor of a network: its inputs, then what each layer makes, in the order TensorRT stores them."""
    network = read(definition)
    yield from network.inputs
    for layer in network.layers:
        yield from layer.outputs
