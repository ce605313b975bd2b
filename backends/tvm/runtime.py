"""A compiled module, called with as little as possible in between: inputs, constants and outputs are not copied."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from isthmus.backends.emitter import brief
from isthmus.backends.tvm import carriers
from isthmus.backends.tvm.api import ffi
from isthmus.ir.errors import BackendFailed
from isthmus.ir.types import Array, DType, TensorType

_ALL_CORES = 1
"""The engine's name for threads on any core."""

_pool = threading.local()
"""How many threads the engine's pool of each calling thread was last set to."""


class _Memory:
    """A writable view of somebody's memory, as `np.asarray` understands it; keeps the owner alive."""

    def __init__(self, owner: Array) -> None:
        self._owner = owner
        interface = dict(owner.__array_interface__)
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}


def tensor_over(array: Array) -> Any:
    """A tensor of the engine over the memory of an array, copied only where that is not contiguous.

    Read-only arrays are shared too: kernels only read inputs and constants.
    """
    packed = np.ascontiguousarray(array).reshape(array.shape)
    if not packed.flags.writeable:
        packed = np.asarray(_Memory(packed))
    return ffi.from_dlpack(packed, require_alignment=0)


@dataclass(eq=False)
class Execution:
    """Runs a compiled module; calls from several threads take turns."""

    main: Any
    """The engine's function: inputs, sizes, constants -> outputs, each in memory of its own."""
    input_types: Sequence[TensorType]
    output_types: Sequence[TensorType]
    constants: Sequence[Array]
    """What the kernels read, as they read it."""
    threads: int
    info: Mapping[str, str]
    held: Any = None
    """What must live as long as `main`."""
    engines: tuple[str, ...] = ()
    """Under which key the library lies in the store."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self._bound = [ffi.Shape(()), *map(tensor_over, self.constants)]
        self._inputs = [t.dtype for t in self.input_types]
        self._outputs = [t.dtype for t in self.output_types]

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs in order, each an array of its own. Inputs must fit the graph's types."""
        given = [_given(array, dtype) for array, dtype in zip(arrays, self._inputs, strict=True)]
        with self._lock:
            self._set_threads()
            try:
                found = self.main(*given, *self._bound)
            except Exception as error:
                raise BackendFailed(f"TVM failed during a call: {brief(error)}") from error
        return [carriers.restored(np.from_dlpack(t), d) for t, d in zip(found, self._outputs, strict=True)]

    def _set_threads(self) -> None:
        if getattr(_pool, "threads", None) != self.threads:
            ffi.get_global_func("runtime.config_threadpool")(_ALL_CORES, self.threads)
            _pool.threads = self.threads


def _given(array: Array, dtype: DType) -> Any:
    whole = np.ascontiguousarray(array).reshape(array.shape)
    return tensor_over(carriers.carried(whole, dtype))
