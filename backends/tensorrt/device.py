"""The GPU, through the driver's own library: it is there wherever an engine can run, so nothing else need be installed.

What TensorRT is given (memory, a stream) belongs to the device's primary context, which it shares with torch, CuPy and
everything else in the process that uses CUDA's runtime.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

from isthmus.ir.errors import BackendFailed, DeviceUnavailable
from isthmus.ir.types import Array

DLPACK_CPU, DLPACK_CUDA = 1, 2
"""`DLDeviceType`: https://dmlc.github.io/dlpack/latest/c_api.html."""

_MAJOR, _MINOR = 75, 76
"""`CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`."""

_NON_BLOCKING = 1
"""`CU_STREAM_NON_BLOCKING`: the stream does not wait for the legacy default stream."""

_NO_TIMING = 2
"""`CU_EVENT_DISABLE_TIMING`."""


class Device(Protocol):
    """Memory and a stream to run on. Calls are made inside `current()`."""

    name: str
    arch: str
    """Such as `sm89`."""
    dlpack: tuple[int, int]
    """Type and number, as `__dlpack_device__` returns them."""
    stream: int
    """The handle of the stream that everything runs on."""

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make this the device of the calling thread."""

    def allocate(self, size: int) -> int:
        """The address of so many bytes, aligned to 256. BackendFailed where there is no room."""

    def free(self, address: int) -> None:
        """Give back what `allocate` returned; from any thread, outside `current()` too."""

    def upload(self, address: int, array: Array) -> None:
        """Copy a contiguous array to the device; returns once the array may change."""

    def download(self, array: Array, address: int) -> None:
        """Copy from the device into a contiguous array. It is there after `synchronize`."""

    def copy(self, target: int, source: int, size: int) -> None:
        """Copy on the device."""

    def synchronize(self) -> None:
        """Wait for all that was asked for. BackendFailed where some of it failed."""

    def follow(self, stream: int) -> None:
        """Let what is asked for from now on come after what another stream has been given so far."""

    def lead(self, stream: int) -> None:
        """Let what another stream is given from now on come after what was asked for so far."""


class Gpu:
    """The first GPU that the driver shows."""

    def __init__(self) -> None:
        """Raises DeviceUnavailable where there is no driver, or no GPU."""
        self._driver = Driver()
        number = self._driver.first()
        self.name = self._driver.name(number)
        self.arch = self._driver.arch(number)
        self.dlpack = (DLPACK_CUDA, 0)
        self._context = ctypes.c_void_p()
        self._check("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), number)
        stream = ctypes.c_void_p()
        with self.current():
            self._check("cuStreamCreate", ctypes.byref(stream), _NON_BLOCKING)
        self.stream = stream.value or 0

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make this the device of the calling thread."""
        self._check("cuCtxPushCurrent_v2", self._context)
        try:
            yield
        finally:
            self._check("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))

    def allocate(self, size: int) -> int:
        """The address of so many bytes, and of one where none are asked for: the engine takes no null."""
        address = ctypes.c_uint64()
        self._check("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(size, 1)))
        return address.value

    def free(self, address: int) -> None:
        """Waits for what uses the memory."""
        with self.current():
            self._check("cuMemFree_v2", ctypes.c_uint64(address))

    def upload(self, address: int, array: Array) -> None:
        """From memory that is not pinned, the driver returns once it has taken the bytes."""
        source, size = ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes)
        if array.nbytes:
            self._check("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), source, size, self._stream)

    def download(self, array: Array, address: int) -> None:
        """Into memory that must live until `synchronize`."""
        target, size = ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes)
        if array.nbytes:
            self._check("cuMemcpyDtoHAsync_v2", target, ctypes.c_uint64(address), size, self._stream)

    def copy(self, target: int, source: int, size: int) -> None:
        """In the order of the stream."""
        if size:
            to, start = ctypes.c_uint64(target), ctypes.c_uint64(source)
            self._check("cuMemcpyDtoDAsync_v2", to, start, ctypes.c_size_t(size), self._stream)

    def synchronize(self) -> None:
        """Wait for the stream."""
        self._check("cuStreamSynchronize", self._stream)

    def follow(self, stream: int) -> None:
        """By an event, which no thread waits for."""
        self._order(ctypes.c_void_p(stream), self._stream)

    def lead(self, stream: int) -> None:
        """By an event, which no thread waits for."""
        self._order(self._stream, ctypes.c_void_p(stream))

    def _order(self, first: ctypes.c_void_p, then: ctypes.c_void_p) -> None:
        event = ctypes.c_void_p()
        self._check("cuEventCreate", ctypes.byref(event), _NO_TIMING)
        try:
            self._check("cuEventRecord", event, first)
            self._check("cuStreamWaitEvent", then, event, 0)
        finally:
            self._check("cuEventDestroy_v2", event)  # the driver keeps it until nobody waits for it

    @property
    def _stream(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.stream)

    def _check(self, function: str, *arguments: Any) -> None:
        self._driver.call(function, *arguments)


class Driver:
    """The driver's library: https://docs.nvidia.com/cuda/cuda-driver-api/."""

    def __init__(self) -> None:
        """Raises DeviceUnavailable where there is none."""
        try:
            self._library: Any = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        except OSError:
            raise no_device("this machine has no NVIDIA driver") from None

    def call(self, function: str, *arguments: Any) -> None:
        """Call a function by name. BackendFailed with its error if it returns one."""
        if said := self._try(function, *arguments):
            raise BackendFailed(f"the GPU failed in {function}: {said}")

    def first(self) -> ctypes.c_int:
        """The handle of the first GPU. DeviceUnavailable where there is none."""
        handle = ctypes.c_int()
        if said := self._try("cuInit", 0) or self._try("cuDeviceGet", ctypes.byref(handle), 0):
            raise no_device(f"the driver shows no GPU: {said}")
        return handle

    def name(self, handle: ctypes.c_int) -> str:
        """What a GPU is called."""
        name = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", name, len(name), handle)
        return name.value.decode()

    def arch(self, handle: ctypes.c_int) -> str:
        """Its compute capability, such as `sm89`."""
        parts = (ctypes.c_int(), ctypes.c_int())
        for part, attribute in zip(parts, (_MAJOR, _MINOR), strict=True):
            self.call("cuDeviceGetAttribute", ctypes.byref(part), attribute, handle)
        return f"sm{parts[0].value}{parts[1].value}"

    def _try(self, function: str, *arguments: Any) -> str:
        """What the driver says against a call; "" where it is done."""
        code = getattr(self._library, function)(*arguments)
        if code == 0:
            return ""
        text = ctypes.c_char_p()
        self._library.cuGetErrorString(code, ctypes.byref(text))
        return text.value.decode() if text.value else f"error {code}"


@cache
def gpu() -> Gpu:
    """The GPU, opened once for the process. DeviceUnavailable where there is none."""
    return Gpu()


@cache
def gpu_arch() -> str:
    """The architecture of the GPU, such as `sm89`; "" where there is none. It is looked at, not opened."""
    return _asked(Driver.arch)


@cache
def gpu_name() -> str:
    """What the GPU is called, such as `NVIDIA L4`; "" where there is none."""
    return _asked(Driver.name)


def _asked(question: Callable[[Driver, ctypes.c_int], str]) -> str:
    try:
        driver = Driver()
        return question(driver, driver.first())
    except DeviceUnavailable:
        return ""


def no_device(reason: str) -> DeviceUnavailable:
    """The error of a call on a machine that cannot serve it."""
    return DeviceUnavailable(
        f"an engine of TensorRT runs on an NVIDIA GPU only, and {reason}",
        hint="save the program and load it on a machine with one; to run it here, compile it for cpu-fp32",
    )
