"""What is asked of CUDA's driver, against a driver written in Python."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from isthmus.backends.tensorrt.device import Gpu, gpu_arch, gpu_name
from isthmus.ir.errors import BackendFailed, DeviceUnavailable

OUT_OF_MEMORY, NO_DEVICE = 2, 100


class FakeDriver:
    """Functions of libcuda, by the signatures in its manual. Memory is the host's."""

    def __init__(self, gpus: int = 1) -> None:
        self.gpus = gpus
        self.current: list[int] = []
        self.memory: dict[int, Any] = {}
        self.order: list[str] = []
        """What was asked of events."""

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return 0 if self.gpus else NO_DEVICE

    def cuDeviceGet(self, handle: Any, ordinal: int) -> int:  # noqa: N802
        handle._obj.value = ordinal
        return 0

    def cuDeviceGetName(self, name: Any, size: int, handle: Any) -> int:  # noqa: N802
        name.value = b"a GPU"
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, handle: Any) -> int:  # noqa: N802
        value._obj.value = {75: 12, 76: 0}[attribute]
        return 0

    def cuDevicePrimaryCtxRetain(self, context: Any, handle: Any) -> int:  # noqa: N802
        context._obj.value = 11
        return 0

    def cuCtxPushCurrent_v2(self, context: Any) -> int:  # noqa: N802
        self.current.append(context.value)
        return 0

    def cuCtxPopCurrent_v2(self, context: Any) -> int:  # noqa: N802
        context._obj.value = self.current.pop()
        return 0

    def cuStreamCreate(self, stream: Any, flags: int) -> int:  # noqa: N802
        assert self.current == [11]
        stream._obj.value = 77
        return 0

    def cuStreamSynchronize(self, stream: Any) -> int:  # noqa: N802
        assert stream.value == 77
        return 0

    def cuEventCreate(self, event: Any, flags: int) -> int:  # noqa: N802
        event._obj.value = 33
        return 0

    def cuEventRecord(self, event: Any, stream: Any) -> int:  # noqa: N802
        self.order.append(f"{event.value} after {stream.value}")
        return 0

    def cuStreamWaitEvent(self, stream: Any, event: Any, flags: int) -> int:  # noqa: N802
        self.order.append(f"{stream.value} after {event.value}")
        return 0

    def cuEventDestroy_v2(self, event: Any) -> int:  # noqa: N802
        self.order.append(f"{event.value} is gone")
        return 0

    def cuMemAlloc_v2(self, address: Any, size: Any) -> int:  # noqa: N802
        if size.value > 1 << 20:
            return OUT_OF_MEMORY
        block = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(block)
        self.memory[address._obj.value] = block
        return 0

    def cuMemFree_v2(self, address: Any) -> int:  # noqa: N802
        assert self.current == [11]
        del self.memory[address.value]
        return 0

    def cuMemcpyHtoDAsync_v2(self, target: Any, source: Any, size: Any, stream: Any) -> int:  # noqa: N802
        return self._move(target, source, size, stream)

    def cuMemcpyDtoHAsync_v2(self, target: Any, source: Any, size: Any, stream: Any) -> int:  # noqa: N802
        return self._move(target, source, size, stream)

    def cuMemcpyDtoDAsync_v2(self, target: Any, source: Any, size: Any, stream: Any) -> int:  # noqa: N802
        return self._move(target, source, size, stream)

    def cuGetErrorString(self, code: int, text: Any) -> int:  # noqa: N802
        text._obj.value = {OUT_OF_MEMORY: b"out of memory", NO_DEVICE: b"no CUDA-capable device"}[code]
        return 0

    def _move(self, target: Any, source: Any, size: Any, stream: Any) -> int:
        assert stream.value == 77
        ctypes.memmove(target.value, source.value, size.value)
        return 0


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDriver]:
    """The driver that is found; what is known of the real one is forgotten meanwhile."""
    fake = FakeDriver()
    monkeypatch.setattr("ctypes.CDLL", lambda name: fake)
    known = (gpu_arch, gpu_name)
    for each in known:
        each.cache_clear()
    yield fake
    for each in known:
        each.cache_clear()


def test_the_gpu_is_named(driver: FakeDriver) -> None:
    gpu = Gpu()
    assert (gpu.name, gpu.arch, gpu.stream, gpu.dlpack) == ("a GPU", "sm120", 77, (2, 0))
    assert (gpu_arch(), gpu_name()) == ("sm120", "a GPU")
    assert not driver.current


def test_bytes_go_there_and_back(driver: FakeDriver) -> None:
    gpu, x, y = Gpu(), np.arange(6, dtype=np.float32), np.zeros(6, np.float32)
    with gpu.current():
        there, other = gpu.allocate(x.nbytes), gpu.allocate(x.nbytes)
        gpu.upload(there, x)
        gpu.copy(other, there, x.nbytes)
        gpu.download(y, other)
        gpu.synchronize()
        nothing = gpu.allocate(0)
        gpu.upload(nothing, x[:0])
    np.testing.assert_array_equal(x, y)
    assert nothing in driver.memory
    for address in (there, other, nothing):
        gpu.free(address)
    assert not driver.memory
    assert not driver.current


def test_streams_wait_for_each_other(driver: FakeDriver) -> None:
    gpu = Gpu()
    with gpu.current():
        gpu.follow(5)
        gpu.lead(5)
    assert driver.order == [
        *("33 after 5", "77 after 33", "33 is gone"),
        *("33 after 77", "5 after 33", "33 is gone"),
    ]


def test_what_the_driver_refuses_is_told(driver: FakeDriver) -> None:
    gpu = Gpu()
    with pytest.raises(BackendFailed, match="cuMemAlloc_v2: out of memory"), gpu.current():
        gpu.allocate(1 << 30)
    assert not driver.current


def test_a_driver_without_a_gpu(driver: FakeDriver) -> None:
    driver.gpus = 0
    with pytest.raises(DeviceUnavailable, match="shows no GPU: no CUDA-capable device"):
        Gpu()
    assert gpu_arch() == gpu_name() == ""
