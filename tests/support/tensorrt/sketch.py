"""Small networks made by hand through TensorRT's own API."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tests.support.tensorrt.element_types import NUMPY, PACKED, Array
from tests.support.tensorrt.library import library
from tests.support.tensorrt.readback import run_network


class Sketch:
    """A strongly typed network, the arrays its weights point to, and the arrays its inputs are to be run on."""

    def __init__(self) -> None:
        self.network = empty_network()
        self._alive: list[Array] = []
        self._inputs: list[Array] = []

    def input(self, array: Array, dims: tuple[int, ...] | None = None) -> Any:
        """A network input that will be run on `array`; `dims` may hold -1."""
        name = f"input{len(self._inputs)}"
        self._inputs.append(array)
        return self.network.add_input(name, data_type(array.dtype), array.shape if dims is None else dims)

    def weights(self, array: Array) -> Any:
        """Weights that point to an array, which stays alive with the sketch."""
        count, dtype = array.size, data_type(array.dtype)
        stored = np.array(packed(array) if array.dtype in PACKED else array, order="C")
        self._alive.append(stored)
        return library().Weights(dtype, stored.ctypes.data, count)

    def constant(self, value: Any, dtype: Any = None) -> Any:
        """The output of a constant layer."""
        array = np.asarray(value, dtype)
        return self.network.add_constant(array.shape, self.weights(array)).get_output(0)

    def run(self, *layers: Any) -> list[Array]:
        """Mark every output of the layers and run the network on its inputs."""
        for layer in layers:
            for i in range(layer.num_outputs):
                self.network.mark_output(layer.get_output(i))
        return run_network(self.network, self._inputs)


def data_type(dtype: np.dtype[Any]) -> Any:
    """The `tensorrt.DataType` for a numpy type."""
    (name,) = (name for name, known in NUMPY.items() if known == dtype)
    return getattr(library().DataType, name)


def packed(array: Array) -> Array:
    """4-bit elements two a byte, the first in the low half."""
    halves = array.reshape(-1).view(np.uint8) & 0xF
    halves = np.append(halves, np.zeros(halves.size % 2, np.uint8))
    return np.asarray(halves[0::2] | halves[1::2] << 4)


def empty_network() -> Any:
    """A strongly typed network."""
    return _builder().create_network(1 << int(library().NetworkDefinitionCreationFlag.STRONGLY_TYPED))


@cache
def quiet_logger() -> Any:
    """TensorRT's messages go nowhere: without a GPU it complains of the driver at every turn."""
    trt = library()

    class Quiet(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            """Say nothing."""

    return Quiet()


@cache
def _builder() -> Any:
    return library().Builder(quiet_logger())
