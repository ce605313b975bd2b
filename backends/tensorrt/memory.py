"""Memory on the device: blocks that grow, and what lets the engine ask for one of a size it alone knows."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from isthmus.backends.tensorrt.device import Device


class Memory:
    """One block, given back with the last reference to it."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.address = 0
        """0 until something is reserved."""
        self._size = 0
        self._free: weakref.finalize[..., Memory] | None = None

    def reserve(self, size: int) -> int:
        """Make the block hold at least so many bytes; returns its address. What was in it is lost if it moves."""
        if self.address and size <= self._size:
            return self.address
        if self._free is not None:
            self._free()
            self.address = 0
        self.address, self._size = self._device.allocate(size), size
        self._free = weakref.finalize(self, self._device.free, self.address)
        self._free.atexit = False  # the driver may be gone by then, and takes back everything itself
        return self.address


class Grown:
    """Where an output of unknown size goes: the engine reserves memory and tells the shape while it runs."""

    def __init__(self) -> None:
        self.memory: Memory | None = None
        self.shape: tuple[int, ...] | None = None

    def reserve(self, size: int) -> int:
        """The address for so many bytes; 0, which the engine takes for a failure, where there is no room."""
        assert self.memory is not None, "a call has set where the output goes"
        try:
            return self.memory.reserve(size)
        except Exception:  # raised through native code, it would end the process
            return 0


def allocator(trt: ModuleType, grown: Grown) -> Any:
    """An `IOutputAllocator` that fills `grown`."""

    class Allocator(trt.IOutputAllocator):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()

        def reallocate_output(self, name: str, memory: int, size: int, alignment: int) -> int:
            return grown.reserve(size)

        def reallocate_output_async(self, name: str, memory: int, size: int, alignment: int, stream: int) -> int:
            return grown.reserve(size)

        def notify_shape(self, name: str, shape: Sequence[int]) -> None:
            grown.shape = tuple(int(d) for d in shape)

    return Allocator()
