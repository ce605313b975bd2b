"""Arrays in the GPU's memory, taken from other libraries and given to them without a copy, by DLPack.

https://dmlc.github.io/dlpack/latest/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.backends.tvm import carriers
from isthmus.backends.tvm.api import ffi
from isthmus.ir.errors import BadInput
from isthmus.ir.types import DTYPES, Array, DType

CPU, GPU = (1, 0), (2, 0)
"""`DLDeviceType` and number of the host, and of the first GPU."""

_DEFAULT_STREAM = 1
"""CUDA's own stream, as `__dlpack__` is told of it.
https://data-apis.org/array-api/latest/API_specification/generated/array_api.array.__dlpack__.html
"""


class DeviceArray:
    """A contiguous array in the GPU's memory: what `Program.run_on_device` returns and takes.

    `torch.from_dlpack(array)` and its like share the memory, `numpy()` copies it.
    """

    def __init__(self, tensor: Any, type: DType, finish: Callable[[], None] | None = None) -> None:
        """`tensor` is the engine's; `finish` waits for what makes the contents, if that may be under way."""
        self.shape = tuple(int(d) for d in tensor.shape)
        self.dtype: np.dtype[Any] = type.numpy
        self._type = type
        self._tensor = tensor._create_view(self.shape, self.dtype.name)
        self._finish = finish

    @property
    def carried(self) -> Any:
        """The engine's tensor, in the type that kernels carry the elements in."""
        return self._tensor._create_view(self.shape, carriers.carrier(self._type))

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    def numpy(self) -> Array:
        """A copy on the host."""
        self._wait()
        return carriers.restored(self.carried.numpy(), self._type)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Type and number of the device."""
        return GPU

    def __dlpack__(self, *, stream: Any = None, **asked: Any) -> Any:
        """A capsule that shares the memory, which is complete: its consumer's `stream` has nothing to wait for."""
        self._wait()
        return self._tensor.__dlpack__(**asked)

    def __repr__(self) -> str:
        return f"DeviceArray({self._type}{list(self.shape)})"

    def _wait(self) -> None:
        if self._finish is not None:
            self._finish()
            self._finish = None


def take(given: Any, what: str) -> DeviceArray | Array:
    """The memory of anything that speaks DLPack: on the GPU without a copy, on the host as a numpy array.

    Work that its owner has queued for it comes before what CUDA's default stream does next. BadInput for memory of
    another device, element types the IR has not, and arrays that are not contiguous.
    """
    if isinstance(given, DeviceArray):
        return given
    if isinstance(given, np.ndarray | np.generic):
        return np.asarray(given)
    if not hasattr(given, "__dlpack__") or not hasattr(given, "__dlpack_device__"):
        raise BadInput(
            f"{what} is a {type(given).__name__}", hint="give a numpy array, or one that speaks DLPack, as torch's do"
        )
    place = tuple(map(int, given.__dlpack_device__()))
    if place[0] != CPU[0] and place != GPU:
        raise BadInput(f"{what} lies on DLPack device {place}, and the program runs on {GPU}")
    try:
        tensor = ffi.from_dlpack(_Ordered(given, place), require_contiguous=True)
        name = str(tensor.dtype)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:  # such as torch's for tensors with gradients
        raise BadInput(
            f"{what} is not handed over by its {type(given).__name__}: {error}",
            hint="give a contiguous copy of it, of elements that the IR has",
        ) from error
    found = next((each for each in DTYPES.values() if each.numpy.name == name), None)
    if found is None:
        raise BadInput(f"{what} has elements of {name}, which is no element type here")
    if place == GPU:
        return DeviceArray(tensor, found)
    return carriers.restored(tensor._create_view(tensor.shape, carriers.carrier(found)).numpy(), found)


class _Ordered:
    """What it holds, handed over in the order of CUDA's default stream: the engine asks for no order."""

    def __init__(self, given: Any, place: tuple[int, ...]) -> None:
        self._given = given
        self._place = place

    def __dlpack_device__(self) -> tuple[int, ...]:
        return self._place

    def __dlpack__(self, **asked: Any) -> Any:
        order = {} if self._place[0] == CPU[0] else {"stream": _DEFAULT_STREAM}
        return self._given.__dlpack__(**{**asked, **order})
