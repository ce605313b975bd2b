"""A library with machine code as it is called, on a machine with a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.backends.emitter import brief
from isthmus.backends.tvm.api import ffi
from isthmus.backends.tvm.cuda.arrays import DeviceArray
from isthmus.backends.tvm.cuda.driver import is_loaded
from isthmus.backends.tvm.library import engine
from isthmus.ir.errors import BackendFailed, DeviceUnavailable
from isthmus.ir.types import Array


class Session:
    """One library on the first GPU. Constants are copied there once."""

    def __init__(self, library: Path, constants: Sequence[Array], arch: str = "") -> None:
        """`arch` is what it was built for; the GPU must be of that architecture where it is named.

        Raises DeviceUnavailable where there is no GPU, or another one, or the engine cannot use it.
        """
        tvm = engine()
        self._device = tvm.cuda(0)
        _require_gpu(self._device, arch)
        self._tensor = tvm.runtime.tensor
        try:
            self._machine = tvm.relax.VirtualMachine(tvm.runtime.load_module(str(library)), self._device)
        except Exception as error:
            raise BackendFailed(f"TVM did not load the library: {brief(error)}", where=str(library)) from error
        self._main = self._machine["main"]
        self._bound = [ffi.Shape(()), *map(self._sent, constants)]
        self._stream = 0

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs in order, in the types that elements are carried in; they are complete. BackendFailed if it fails."""
        found = self.queued(inputs)
        try:
            return [each.numpy() for each in found]
        except Exception as error:  # of a kernel: the copy is what waits for it
            raise BackendFailed(f"TVM failed during a call: {brief(error)}") from error

    def queued(self, inputs: Sequence[Array | DeviceArray], stream: int = 0) -> list[Any]:
        """The engine's tensors on the GPU, for inputs on either side; complete once the stream has come that far.

        The number of a stream is its handle, 0 CUDA's own. BackendFailed if it fails.
        """
        try:
            if stream != self._stream:  # which may still use memory that the call takes over
                self.finish(self._stream)
                self._stream = stream
            with ffi.use_raw_stream(self._device, stream):
                return list(self._main(*map(self._sent, inputs), *self._bound))
        except Exception as error:
            raise BackendFailed(f"TVM failed during a call: {brief(error)}") from error

    def finish(self, stream: int = 0) -> None:
        """Wait until a stream has done what it was given."""
        self._device.sync(stream)

    def _sent(self, array: Array | DeviceArray) -> Any:
        if isinstance(array, DeviceArray):
            return array.carried
        return self._tensor(np.ascontiguousarray(array).reshape(array.shape), self._device)


def _require_gpu(device: Any, arch: str) -> None:
    """DeviceUnavailable unless the engine can run on the GPU, and machine code for `arch` runs there."""
    if not is_loaded():
        raise _no_gpu("TVM's CUDA part cannot be loaded here: the NVIDIA driver or libcudart.so.13 is missing")
    if not device.exist:
        raise _no_gpu("the driver shows none")
    found = f"sm{device.compute_version.replace('.', '')}"
    if arch and found != arch:
        raise DeviceUnavailable(
            f"the library was built for {arch}, and the GPU at hand is {found}",
            hint=f"compile for cuda-{found}-...@tvm",
        )


def _no_gpu(reason: str) -> DeviceUnavailable:
    return DeviceUnavailable(
        f"kernels for CUDA run on an NVIDIA GPU only, and {reason}",
        hint="save the program and load it on a machine with one; to run it here, compile it for cpu-fp32@tvm",
    )
