"""TensorRT's runtime and a GPU, as far as `backends/tensorrt` uses them, over host memory.

What the real ones ask of their caller is checked: addresses that are aligned and belong to somebody, shapes within the
profile in use, outputs with memory or an allocator, calls made while the device is current. Work is queued, and done
when the device is synchronized, so that what is read too early is not there yet.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from isthmus.backends.tensorrt.library import Library
from isthmus.ir.types import Array, TensorType

ALIGNMENT = 256


class FakeDevice:
    """A device whose memory is the host's."""

    def __init__(self, arch: str = "sm89", room: int = 1 << 30) -> None:
        self.name, self.arch, self.dlpack, self.stream = "a device for tests", arch, (1, 0), 7
        self.live: dict[int, Array] = {}
        """Address -> memory that was allocated and not freed."""
        self.uploads: list[int] = []
        """The sizes of the copies from the host, in bytes."""
        self.order: list[str] = []
        """What was done before and after the work of other streams."""
        self.copies: list[int] = []
        self._room = room
        self._queue: list[Callable[[], None]] = []
        self._here = threading.local()
        self.users: set[int] = set()
        """The threads that are inside `current()`."""

    @contextmanager
    def current(self) -> Iterator[None]:
        depth = getattr(self._here, "depth", 0)
        self._here.depth = depth + 1
        try:
            yield
        finally:
            self._here.depth = depth

    def check_current(self) -> None:
        assert getattr(self._here, "depth", 0) > 0, "the device is not current in this thread"

    def allocate(self, size: int) -> int:
        from isthmus.ir.errors import BackendFailed

        self.check_current()
        if size > self._room:
            raise BackendFailed("out of memory")
        block = np.full(max(size, 1) + ALIGNMENT, 0xAB, np.uint8)
        address = -(-block.ctypes.data // ALIGNMENT) * ALIGNMENT
        self.live[address] = block
        return address

    def free(self, address: int) -> None:
        del self.live[address]

    def upload(self, address: int, array: Array) -> None:
        self.check_current()
        assert array.flags.c_contiguous
        self.uploads.append(array.nbytes)
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def download(self, array: Array, address: int) -> None:
        self.check_current()
        self.enqueue(lambda: ctypes.memmove(array.ctypes.data, address, array.nbytes))

    def copy(self, target: int, source: int, size: int) -> None:
        self.check_current()
        self.copies.append(size)
        self.enqueue(lambda: ctypes.memmove(target, source, size))

    def enqueue(self, work: Callable[[], object]) -> None:
        self._queue.append(lambda: (work(), None)[1])

    def follow(self, stream: int) -> None:
        self.check_current()
        self.enqueue(lambda: self.order.append(f"after {stream}"))

    def lead(self, stream: int) -> None:
        self.check_current()
        self.enqueue(lambda: self.order.append(f"before {stream}"))

    def synchronize(self) -> None:
        self.check_current()
        queue, self._queue = self._queue, []
        for work in queue:
            work()


@dataclass
class FakeEngine:
    """An engine that runs a Python function."""

    device: FakeDevice
    inputs: Mapping[str, TensorType]
    outputs: Mapping[str, TensorType]
    function: Callable[..., Sequence[Array]]
    """Takes the inputs' arrays, returns the outputs'. Shapes of outputs are found by calling it on zeros."""
    profiles: Sequence[Mapping[str, tuple[Sequence[int], Sequence[int]]]] = ()
    data_dependent: frozenset[str] = frozenset()
    """Outputs whose shapes are known only when it has run."""
    on_host: frozenset[str] = frozenset()
    """Inputs and outputs that lie on the host."""
    log: list[str] = field(default_factory=list)
    """Which profiles were switched to, and how often it ran."""
    fails: bool = False

    @property
    def num_io_tensors(self) -> int:
        return len(self.inputs) + len(self.outputs)

    def get_tensor_name(self, index: int) -> str:
        return [*self.inputs, *self.outputs][index]

    def get_tensor_location(self, name: str) -> str:
        return "host" if name in self.on_host else "device"

    def create_execution_context(self) -> FakeContext:
        return FakeContext(self)


class FakeContext:
    """An execution context."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self._profile = 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._allocators: dict[str, Any] = {}

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        assert stream == self._engine.device.stream
        self._profile = index
        self._shapes.clear()
        self._engine.log.append(f"profile {index}")
        return 0 <= index < len(self._engine.profiles)

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        self._engine.device.check_current()
        if self._engine.profiles and (limits := self._engine.profiles[self._profile].get(name)) is not None:
            least, largest = limits
            if not all(a <= b <= c for a, b, c in zip(least, shape, largest, strict=True)):
                return False
        self._shapes[name] = tuple(shape)
        return len(shape) == self._engine.inputs[name].rank

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert address != 0
        assert name in self._engine.on_host or address % ALIGNMENT == 0, f"{name} lies at an odd address"
        self._addresses[name] = address
        return True

    def set_output_allocator(self, name: str, allocator: Any) -> bool:
        self._allocators[name] = allocator
        return True

    def infer_shapes(self) -> list[str]:
        return [name for name in self._engine.inputs if name not in self._shapes or name not in self._addresses]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name in self._engine.data_dependent:
            return (-1,) * self._engine.outputs[name].rank
        return dict(zip(self._engine.outputs, self._call(False), strict=True))[name].shape

    def execute_async_v3(self, stream: int) -> bool:
        engine = self._engine
        engine.device.check_current()
        assert stream == engine.device.stream
        missing = [n for n in engine.outputs if n not in self._addresses and n not in self._allocators]
        assert not missing, f"outputs {missing} go nowhere"
        if engine.fails:
            return False
        engine.device.enqueue(self._work)
        return True

    def _work(self) -> None:
        engine = self._engine
        assert not engine.device.users, "two calls at once"
        engine.device.users.add(threading.get_ident())
        engine.log.append("run")
        for (name, type), array in zip(engine.outputs.items(), self._call(True), strict=True):
            packed = np.ascontiguousarray(array)
            assert packed.dtype == type.dtype.numpy
            if name in engine.data_dependent:
                allocator = self._allocators[name]
                address = 0
                if packed.nbytes:
                    address = allocator.reallocate_output_async(name, 0, packed.nbytes, ALIGNMENT, 7)
                    assert address, "no memory"
                allocator.notify_shape(name, array.shape)
            else:
                address = self._addresses[name]
            ctypes.memmove(address, packed.ctypes.data, packed.nbytes)
        engine.device.users.clear()

    def _call(self, contents: bool) -> Sequence[Array]:
        given = []
        for name, type in self._engine.inputs.items():
            array = np.zeros(self._shapes[name], type.dtype.numpy)
            if (contents or name in self._engine.on_host) and array.nbytes:
                ctypes.memmove(array.ctypes.data, self._addresses[name], array.nbytes)
            given.append(array)
        return self._engine.function(*given)


def fake_library(engine: FakeEngine | None) -> Library:
    """A library whose runtime loads `engine`, whatever bytes it is given; with None it loads nothing, and says why."""

    class ILogger:
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    class IOutputAllocator:
        pass

    class Runtime:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def deserialize_cuda_engine(self, data: Any) -> FakeEngine | None:
            assert len(memoryview(data))
            if engine is None:
                self._logger.log(ILogger.ERROR, "the engine is of another kind")
            return engine

    module: Any = SimpleNamespace(
        ILogger=ILogger,
        IOutputAllocator=IOutputAllocator,
        Runtime=Runtime,
        TensorLocation=SimpleNamespace(HOST="host", DEVICE="device"),
    )
    return Library(module, "tensorrt", "0")
