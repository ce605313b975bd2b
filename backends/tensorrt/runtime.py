"""A built engine as a program calls it. It is opened by the first call, so that a program can be built anywhere."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isthmus.backends.store import Entry, Store
from isthmus.backends.tensorrt.device import Device
from isthmus.backends.tensorrt.dlpack import DeviceArray, take
from isthmus.backends.tensorrt.library import Library
from isthmus.backends.tensorrt.profiles import ShapeProfile
from isthmus.backends.tensorrt.session import Binding, Session
from isthmus.ir.errors import DeviceUnavailable
from isthmus.ir.types import Array


@dataclass(eq=False)
class Execution:
    """Runs an engine; calls from several threads take turns. DeviceUnavailable on a machine that cannot run it."""

    lib: Library
    entry: Entry
    inputs: Sequence[Binding]
    outputs: Sequence[Binding]
    profiles: Sequence[ShapeProfile]
    arch: str
    """What it was built for; "" is any processor that TensorRT-RTX builds for when none is named."""
    info: Mapping[str, str]
    store: Store
    """Keeps the engine's file as long as it is needed."""
    find_device: Callable[[], Device]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _session: Session | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        with open(self.entry.file, "rb") as file:
            self._file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @property
    def engines(self) -> tuple[str, ...]:
        """Under which key the engine lies in the store."""
        return (self.entry.key,)

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs in order, each an array of its own. Inputs must fit the graph's types."""
        with self._lock:
            session = self._open()
            with session.device.current():
                return session.call(arrays)

    def on_device(self, arrays: Sequence[DeviceArray | Array], stream: int | None = None) -> list[DeviceArray]:
        """Outputs in memory of their own on the device. Inputs may lie on either side.

        They are complete when this returns; with a stream, once that has done what it was given.
        """
        with self._lock:
            session = self._open()
            with session.device.current():
                return session.call_on_device(arrays, stream)

    def take(self, given: Any, what: str) -> DeviceArray | Array:
        """An input of `on_device` from anything that speaks DLPack. BadInput for what cannot be one."""
        device = self.find_device()
        with device.current():
            return take(given, device, what)

    def _open(self) -> Session:
        if self._session is None:
            device = self.find_device()
            if archs := self.lib.archs:
                self._require_served(device, archs)
            if self.arch and device.arch != self.arch:
                raise DeviceUnavailable(
                    f"the engine was built for {self.arch}, and {device.name} is {device.arch}",
                    hint=f"compile for cuda-{device.arch}-..., or, on this machine, for a target without architecture",
                )
            with device.current():
                self._session = Session(self.lib, device, self._file, self.inputs, self.outputs, self.profiles)
        return self._session

    def _require_served(self, device: Device, archs: Sequence[str]) -> None:
        if device.arch not in archs:
            raise DeviceUnavailable(
                f"{self.lib} runs on {', '.join(archs)}, and {device.name} is {device.arch}",
                hint="install NVIDIA's tensorrt package, which serves this GPU, and compile again on this machine",
            )
