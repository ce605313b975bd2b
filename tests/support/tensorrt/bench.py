"""A builder that writes graphs as networks, builds them without a GPU, and has them read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.backends.tensorrt.backend import TensorRTBackend
from isthmus.backends.tensorrt.device import gpu_arch
from isthmus.backends.tensorrt.library import library
from isthmus.backends.tensorrt.messages import Messages
from isthmus.backends.tensorrt.network import Network
from isthmus.backends.tensorrt.options import TensorRTOptions
from isthmus.backends.tensorrt.worker import Request, configuration
from isthmus.backends.tensorrt.write import write_network
from isthmus.ir.graph import Graph
from isthmus.ir.types import Array
from tests.support.comparison import Comparison
from tests.support.tensorrt.readback import run_network

BACKEND = TensorRTBackend()
MORE = 3
"""How much larger than in the arrays a size may be that is not fixed."""
disagreement = Comparison({"float32": 1e-5, "float16": 2.0**-10, "bfloat16": 2.0**-8})
"""By the type of a result: that of the engine's own functions, or twice what rounding costs."""

NETWORK_TOLERANCE = {"fp32": 1e-5, "fp16": 4 * 2.0**-11, "bf16": 4 * 2.0**-8}
"""Relative L2 error of whole networks. In a narrow type: four units of rounding, as two orders of summation may differ
by after many layers that each round twice.
"""


class Bench:
    """One builder and what it says."""

    def __init__(self) -> None:
        self.library = library()
        self.messages = Messages(without_gpu=not gpu_arch())
        self._logger = self.library.logger(self.messages)
        self._builder = self.library.module.Builder(self._logger)

    def write(self, graph: Graph) -> Network:
        """The network of a legalized graph."""
        BACKEND.require(graph)
        self.messages.errors.clear()
        return write_network(self.library, self._builder, graph, self.messages)

    def build(
        self, n: Network, graph: Graph, arrays: Sequence[Array], *, exact: bool = False, arch: str = "sm89"
    ) -> Any:
        """The engine that the product would build, for sizes from 1 on, or `exact`ly those of the arrays.

        AssertionError where there is none.
        """
        config = configuration(self.library, self._builder, Request(arch, TensorRTOptions(), [], None))
        profile = self._builder.create_optimization_profile()
        read = [i for i in range(n.definition.num_inputs) if n.definition.get_input(i).is_shape_tensor]
        for i in read:  # the engine must know the range of what it computes sizes from
            numbers = arrays[i].reshape(-1).tolist()
            profile.set_shape_input(graph.inputs[i].name, numbers, numbers, numbers)
        dynamic = [(v, array.shape) for v, array in zip(graph.inputs, arrays, strict=True) if not v.type.is_static]
        for value, shape in dynamic:
            fixed = [exact or isinstance(dim, int) for dim in value.shape]
            least = [size if same else 1 for size, same in zip(shape, fixed, strict=True)]
            most = [size if same else size + MORE for size, same in zip(shape, fixed, strict=True)]
            profile.set_shape(value.name, least, shape, most)
        if dynamic or read:
            config.add_optimization_profile(profile)
        engine = self._builder.build_serialized_network(n.definition, config)
        assert engine is not None, self.messages.errors
        return engine

    def run(self, graph: Graph, arrays: Sequence[Array], *, exact: bool = False, built: bool = True) -> list[Array]:
        """What a legalized graph's network, which must build unless it need not, gives when it is read back."""
        n = self.write(graph)
        if built:
            self.build(n, graph, arrays, exact=exact)
        return [array.copy() for array in run_network(n.definition, arrays)]  # constants go with the network
