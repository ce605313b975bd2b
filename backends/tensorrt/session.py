"""An engine on a device: its execution context, and the memory that calls share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import TypeAlias

import numpy as np

from isthmus.backends.tensorrt.device import Device
from isthmus.backends.tensorrt.dlpack import DeviceArray
from isthmus.backends.tensorrt.library import Library
from isthmus.backends.tensorrt.memory import Grown, Memory, allocator
from isthmus.backends.tensorrt.messages import Messages
from isthmus.backends.tensorrt.profiles import ShapeProfile
from isthmus.ir.errors import BackendFailed, BadInput, DeviceUnavailable
from isthmus.ir.types import Array, TensorType

_ALIGNMENT = 256
"""What TensorRT asks of every address on the device."""

Given: TypeAlias = DeviceArray | Array


@dataclass(frozen=True)
class Binding:
    """An input or output: its name in the engine, and its type in the graph."""

    name: str
    type: TensorType

    def nbytes(self, shape: Sequence[int]) -> int:
        """Size in bytes of an array of this shape."""
        return math.prod(shape) * self.type.dtype.numpy.itemsize


class Session:
    """Calls one engine. Everything is called inside `device.current()`, by one thread at a time."""

    def __init__(
        self,
        lib: Library,
        device: Device,
        file: mmap,
        inputs: Sequence[Binding],
        outputs: Sequence[Binding],
        profiles: Sequence[ShapeProfile],
    ) -> None:
        """Raises DeviceUnavailable where the library does not load the engine on this device."""
        trt = lib.module
        self.device = device
        self._inputs, self._outputs, self._profiles = inputs, outputs, profiles
        self._messages = Messages()
        self._logger = lib.logger(self._messages)
        self._runtime = trt.Runtime(self._logger)
        engine = self._runtime.deserialize_cuda_engine(file)
        if engine is None:
            said = self._messages.failure("it gave no reason").reason
            raise DeviceUnavailable(
                f"TensorRT cannot load the engine on {device.name} ({device.arch}): {said}",
                hint="build it on this machine: isthmus.load(path, rebuild=True), or compile again",
            )
        self._engine = engine
        self._context = engine.create_execution_context()
        if self._context is None:
            raise self._failed("no execution context could be made")
        self._profile = 0
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        self._host = {name for name in names if engine.get_tensor_location(name) == trt.TensorLocation.HOST}
        self._bound = [(i, each) for i, each in enumerate(inputs) if each.name in names]
        self._memory = {each.name: Memory(device) for each in (*inputs, *outputs)}
        self._grown = {each.name: Grown() for each in outputs}
        self._allocators = {name: allocator(trt, grown) for name, grown in self._grown.items()}

    def call(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs as arrays on the host."""
        held = self._give(arrays)
        shapes, on_host = self._run(self._memory)
        found = []
        for each in self._outputs:
            array = on_host.get(each.name)
            if array is None:
                array = np.empty(shapes[each.name], each.type.dtype.numpy)
                self.device.download(array, self._memory[each.name].address)
            found.append(array)
        self.device.synchronize()
        del held
        return found

    def call_on_device(self, arrays: Sequence[Given], stream: int | None = None) -> list[DeviceArray]:
        """Outputs in memory of their own on the device.

        With the handle of a stream, the call takes its place in that: it comes after what the stream has been given,
        and before what it is given next. Nobody waits unless the engine must be asked how large outputs are, and
        inputs must live until the stream has come that far.
        """
        if stream is not None:
            self.device.follow(stream)
        held = self._give(arrays)
        made = {each.name: Memory(self.device) for each in self._outputs}
        shapes, on_host = self._run(made)
        if on_host:
            self.device.synchronize()
        for name, array in on_host.items():
            self.device.upload(made[name].reserve(array.nbytes), array)
        if stream is None:
            self.device.synchronize()
        else:
            self.device.lead(stream)
        del held
        return [
            DeviceArray(
                self.device,
                made[each.name].address,
                shapes[each.name],
                each.type.dtype,
                made[each.name],
                is_complete=stream is None,
            )
            for each in self._outputs
        ]

    def _give(self, arrays: Sequence[Given]) -> list[Given]:
        """Give the context its inputs; returns what must live until the call is done."""
        self._messages.errors.clear()
        self._choose_profile(arrays)
        held = []
        for i, each in self._bound:
            address, kept = self._place(each, arrays[i])
            held.append(kept)
            if not self._context.set_input_shape(each.name, tuple(arrays[i].shape)):
                raise self._failed(f"input {each.name!r} cannot have shape {list(arrays[i].shape)}")
            self._bind(each.name, address)
        return held

    def _place(self, binding: Binding, given: Given) -> tuple[int, Given]:
        """Where the engine reads an input, and what must live until then."""
        if binding.name in self._host:
            array = np.ascontiguousarray(given.numpy() if isinstance(given, DeviceArray) else given)
            return array.ctypes.data, array
        memory = self._memory[binding.name]
        if not isinstance(given, DeviceArray):
            array = np.ascontiguousarray(given)
            self.device.upload(memory.reserve(array.nbytes), array)
            return memory.address, array
        if given.address % _ALIGNMENT or not given.address:
            self.device.copy(memory.reserve(given.nbytes), given.address, given.nbytes)
            return memory.address, given
        return given.address, given

    def _choose_profile(self, arrays: Sequence[Given]) -> None:
        """The profile with the smallest largest shapes among those that hold the inputs; BadInput if there is none."""
        if not self._profiles:
            return
        shapes = {each.name: tuple(given.shape) for each, given in zip(self._inputs, arrays, strict=True)}
        fitting = [
            (sum(math.prod(sizes.largest) for sizes in profile.values()), i)
            for i, profile in enumerate(self._profiles)
            if all(sizes.holds(shapes[name]) for name, sizes in profile.items())
        ]
        if not fitting:
            raise _no_profile(shapes, self._profiles)
        _, chosen = min(fitting)
        if chosen == self._profile:
            return
        if not self._context.set_optimization_profile_async(chosen, self.device.stream):
            raise self._failed(f"profile {chosen} cannot be used")
        self._profile = chosen

    def _run(self, made: Mapping[str, Memory]) -> tuple[dict[str, tuple[int, ...]], dict[str, Array]]:
        """Run the engine into `made`; returns the outputs' shapes, and those the engine makes on the host.

        The latter are complete once the device is synchronized.
        """
        if lacking := self._context.infer_shapes():
            raise self._failed(f"the shapes of {', '.join(lacking)} are not known")
        shapes: dict[str, tuple[int, ...]] = {}
        on_host: dict[str, Array] = {}
        for each in self._outputs:
            shape = tuple(int(d) for d in self._context.get_tensor_shape(each.name))
            if -1 in shape:
                self._let_grow(each.name, made[each.name])
                continue
            shapes[each.name] = shape
            if each.name in self._host:
                on_host[each.name] = np.empty(shape, each.type.dtype.numpy)
                self._bind(each.name, on_host[each.name].ctypes.data)
            else:
                self._bind(each.name, made[each.name].reserve(each.nbytes(shape)))
        if not self._context.execute_async_v3(self.device.stream):
            raise self._failed("the engine did not run")
        if len(shapes) < len(self._outputs):
            self.device.synchronize()
            shapes |= {each.name: self._grown_shape(each) for each in self._outputs if each.name not in shapes}
        return shapes, on_host

    def _let_grow(self, name: str, memory: Memory) -> None:
        self._grown[name].memory, self._grown[name].shape = memory, None
        if not self._context.set_output_allocator(name, self._allocators[name]):
            raise self._failed(f"output {name!r} cannot be allocated while the engine runs")

    def _grown_shape(self, binding: Binding) -> tuple[int, ...]:
        grown = self._grown[binding.name]
        if grown.shape is None or grown.memory is None:
            raise self._failed(f"the engine told no shape for output {binding.name!r}")
        if not grown.memory.address:  # the engine asks for no memory where there are no elements
            grown.memory.reserve(0)
        return grown.shape

    def _bind(self, name: str, address: int) -> None:
        if not self._context.set_tensor_address(name, address):
            raise self._failed(f"{name!r} cannot lie at {address:#x}")

    def _failed(self, otherwise: str) -> BackendFailed:
        return BackendFailed(f"TensorRT failed during a call: {self._messages.failure(otherwise).reason}")


def _no_profile(shapes: Mapping[str, Sequence[int]], profiles: Sequence[ShapeProfile]) -> BadInput:
    given = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items() if name in profiles[0])
    built = "".join(
        "\n  " + ", ".join(f"{name} {list(sizes.least)} to {list(sizes.largest)}" for name, sizes in profile.items())
        for profile in profiles
    )
    return BadInput(
        f"the engine was not built for the shapes {given}, but for{built}",
        hint="compile with wider bounds in inputs=, or with one more profile",
    )
