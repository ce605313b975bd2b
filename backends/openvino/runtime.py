"""A compiled network, called with as little as possible in between.

One infer request is kept. Small inputs and outputs of known size live in buffers that the request is bound to once,
so a call is a copy in, a run and a copy out; large inputs are bound without a copy at each call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from isthmus.backends.base import PrecisionUse
from isthmus.backends.emitter import brief
from isthmus.backends.openvino.precisions import Survey, survey
from isthmus.backends.openvino.tensors import array_over, tensor_over
from isthmus.ir.errors import BackendFailed
from isthmus.ir.graph import Node
from isthmus.ir.types import Array, DType, TensorType

COPIED_BYTES = 1 << 16
"""Up to this size an input is copied into a bound buffer: cheaper than binding its memory."""

_WARM_RUNS = 3
"""The first run chooses kernels and packs weights; the last one is looked at."""


@dataclass(frozen=True, slots=True)
class Output:
    """Where one output of the graph comes from: an output of the network, or an input of the graph as it is."""

    type: TensorType
    port: int | None = None
    passed: int | None = None
    fixed: bool = True
    """Whether the network may write to memory of ours: it cannot where the output is one of its parameters."""


@dataclass(eq=False)
class Execution:
    """Runs a compiled network; calls from several threads take turns."""

    engine: ModuleType
    compiled: Any
    """None where every output is an input."""
    input_types: Sequence[TensorType]
    outputs: Sequence[Output]
    kept: Sequence[Array]
    """Constants whose memory the network reads."""
    engine_info: Mapping[str, str]
    sources: Mapping[str, Node]
    """Which IR node each name in the network was given for."""
    again: Callable[..., Execution]
    """Compiles the network once more, with further settings."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if self.compiled is not None:
            self._request = self.compiled.create_infer_request()
            self._run = self.engine._pyopenvino.InferRequest.infer
        self._copied: list[tuple[int, Array]] = []
        self._bound: list[tuple[int, DType]] = []
        for index, declared in enumerate(self.input_types if self.compiled is not None else ()):
            buffer = _buffer(declared)
            if buffer is None:
                self._bound.append((index, declared.dtype))
                continue
            self._request.set_input_tensor(index, tensor_over(self.engine, buffer, declared.dtype))
            self._copied.append((index, buffer))
        buffers: dict[int | None, Array | None] = {None: None}
        for output in self.outputs:
            if output.port not in buffers:  # one port has one buffer, however many outputs are taken from it
                buffers[output.port] = self._source(output)
        self._taken = [buffers[output.port] for output in self.outputs]

    @cached_property
    def survey(self) -> Survey:
        """What the compiled network computes in which precision."""
        return Survey(()) if self.compiled is None else survey(self.compiled, self.sources)

    @cached_property
    def info(self) -> Mapping[str, str]:
        """What the engine says of itself, how many nodes it runs in which precision, and where that is not as typed."""
        counts = ", ".join(f"{name} {use.nodes}" for name, use in self.survey.counts().items())
        notes = {"other precisions": "\n".join(found)} if (found := self.survey.notes()) else {}
        return {**self.engine_info, "nodes by precision": counts, **notes}

    def precisions(self, arrays: Sequence[Array] | None = None) -> dict[str, PrecisionUse]:
        """Precision -> nodes; with inputs, also the time spent in each, from a run with the engine's own counters."""
        if arrays is None or self.compiled is None:
            return self.survey.counts()
        counted = self.again(PERF_COUNT="YES")
        for _ in range(_WARM_RUNS):
            counted(arrays)
        times = {e.node_name: e.real_time.total_seconds() * 1e3 for e in counted._request.get_profiling_info()}
        return counted.survey.times(times)

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs in order, each an array of its own. Inputs must fit the graph's types."""
        with self._lock:
            for index, buffer in self._copied:
                buffer[...] = arrays[index]
            self._held = [self._bind(index, arrays[index], dtype) for index, dtype in self._bound]
            if self.compiled is not None:
                self._infer()
            return [
                buffer.copy() if buffer is not None else self._fetch(output, arrays)
                for output, buffer in zip(self.outputs, self._taken, strict=True)
            ]

    def _infer(self) -> None:
        try:
            self._run(self._request, {}, True, False)
        except RuntimeError as error:
            raise BackendFailed(f"OpenVINO failed during a call: {brief(error)}") from error

    def _bind(self, port: int, array: Array, dtype: DType) -> Array:
        packed = np.ascontiguousarray(array, dtype.numpy).reshape(array.shape)
        self._request.set_input_tensor(port, tensor_over(self.engine, packed, dtype))
        return packed

    def _source(self, output: Output) -> Array | None:
        """The buffer bound to an output whose size is known and small."""
        if output.port is None or not output.fixed or (buffer := _buffer(output.type)) is None:
            return None
        self._request.set_output_tensor(output.port, tensor_over(self.engine, buffer, output.type.dtype))
        return buffer

    def _fetch(self, output: Output, arrays: Sequence[Array]) -> Array:
        if output.passed is not None:
            return np.array(arrays[output.passed])
        return array_over(self._request.get_output_tensor(output.port), output.type.dtype).copy()


def _buffer(type: TensorType) -> Array | None:
    size = type.nbytes()
    if not isinstance(size, int) or not 0 < size <= COPIED_BYTES:
        return None
    return np.zeros([d for d in type.shape if isinstance(d, int)], type.dtype.numpy)
