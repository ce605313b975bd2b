"""Arrays on the device, taken from and given to other libraries without a copy.

The exchange is DLPack's (https://dmlc.github.io/dlpack/latest/), in its first layout, which every library still speaks:
a capsule called "dltensor" that holds a `DLManagedTensor`, renamed by whoever takes it over.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np

from isthmus.backends.tensorrt.device import DLPACK_CPU, Device
from isthmus.ir.errors import BadInput
from isthmus.ir.types import BF16, BOOL, DTYPES, F8E4M3, F8E5M2, Array, DType

_NAME, _USED = b"dltensor", b"used_dltensor"
_INT, _UINT, _FLOAT, _BFLOAT, _BOOL, _F8E4M3, _F8E5M2 = 0, 1, 2, 4, 6, 10, 12
"""`DLDataTypeCode`."""
_DEFAULT_STREAM, _NO_ORDER = 1, -1
"""`stream` of `__dlpack__`: the legacy default stream, which None means; that of a consumer who wants no order.
https://data-apis.org/array-api/latest/API_specification/generated/array_api.array.__dlpack__.html
"""


class _DLTensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _DLManagedTensor(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_DLManagedTensor))
_DLManagedTensor._fields_ = (("tensor", _DLTensor), ("context", ctypes.c_void_p), ("deleter", _Deleter))

_api = ctypes.pythonapi
_capsule_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))
_capsule_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", _api))
_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_capsule_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor)(
    ("PyCapsule_New", _api)
)
_capsule_is = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _api))
_raw_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))
_hold = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("Py_IncRef", _api))
_release = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("Py_DecRef", _api))


class DeviceArray:
    """A contiguous array in device memory: what `Program.run_on_device` returns and takes.

    `torch.from_dlpack(array)` and its like share the memory, `numpy()` copies it. Whoever takes it over by DLPack sees
    it complete. The memory is given back with the last user of it.
    """

    def __init__(
        self,
        device: Device,
        address: int,
        shape: tuple[int, ...],
        type: DType,
        owner: object,
        *,
        is_complete: bool = True,
    ) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = type.numpy
        self.address = address
        self.owner = owner
        """What keeps the memory alive."""
        self.is_complete = is_complete
        """Whether nothing that makes the contents may still be under way."""
        self._type = type
        self._device = device

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def numpy(self) -> Array:
        """A copy on the host."""
        array = np.empty(self.shape, self.dtype)
        with self._device.current():
            self._device.download(array, self.address)
            self._device.synchronize()
        return array

    def __dlpack_device__(self) -> tuple[int, int]:
        """Type and number of the device."""
        return self._device.dlpack

    def __dlpack__(self, *, stream: Any = None, **_: Any) -> Any:
        """A capsule that shares the memory. The consumer's stream, by default CUDA's own, comes after what makes it."""
        if not self.is_complete and stream != _NO_ORDER:
            with self._device.current():
                self._device.lead(_DEFAULT_STREAM if stream is None else int(stream))
        return _capsule_new(ctypes.addressof(_Export(self).managed), _NAME, _drop_capsule)

    def __repr__(self) -> str:
        return f"DeviceArray({self._type}{list(self.shape)} on {self._device.name})"


class _Export:
    """A `DLManagedTensor` over an array, alive until its consumer deletes it."""

    def __init__(self, array: DeviceArray) -> None:
        self.array = array
        self.shape = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
        code, bits = _code(array._type)
        kind, number = array.__dlpack_device__()
        tensor = _DLTensor(array.address, kind, number, array.ndim, code, bits, 1, self.shape, None, 0)
        self.managed = _DLManagedTensor(tensor, id(self), _delete_export)
        _hold(self)


def _delete(managed: Any) -> None:
    _release(ctypes.cast(managed.contents.context, ctypes.py_object).value)


def _drop(capsule: int) -> None:
    """A capsule that nobody took over deletes what it holds."""
    if _capsule_is(capsule, _NAME):
        managed = ctypes.cast(_raw_pointer(capsule, _NAME), ctypes.POINTER(_DLManagedTensor))
        managed.contents.deleter(managed)


_delete_export, _drop_capsule = _Deleter(_delete), _Destructor(_drop)


def take(given: Any, device: Device, what: str) -> DeviceArray | Array:
    """The memory of anything that speaks DLPack: on the device without a copy, on the host as a numpy array.

    Work that its owner has queued for it comes before what the device's stream does next. BadInput for memory of
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
    if place != device.dlpack and place[0] != DLPACK_CPU:
        raise BadInput(f"{what} lies on DLPack device {place}, and the program runs on {device.dlpack}")
    capsule = _capsule(given, device.stream if place[0] != DLPACK_CPU else None, what)
    pointer = _capsule_pointer(capsule, _NAME)
    _capsule_rename(capsule, _USED)
    managed = ctypes.cast(pointer, ctypes.POINTER(_DLManagedTensor))
    owner = _Borrowed(managed)
    tensor = managed.contents.tensor
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    kind = _type(tensor.code, tensor.bits, tensor.lanes, what)
    if not _is_contiguous(tensor, shape):
        raise BadInput(f"{what} is not contiguous", hint="give a contiguous copy of it")
    borrowed = DeviceArray(device, (tensor.data or 0) + tensor.byte_offset, shape, kind, owner)
    return borrowed if place == device.dlpack else _on_host(borrowed)


def _capsule(given: Any, stream: int | None, what: str) -> Any:
    try:
        return given.__dlpack__() if stream is None else given.__dlpack__(stream=stream)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:  # such as torch's for tensors with gradients
        raise BadInput(f"{what} is not handed over by its {type(given).__name__}: {error}") from error


class _Borrowed:
    """Memory of another library, handed back when nobody uses it any more."""

    def __init__(self, managed: Any) -> None:
        weakref.finalize(self, _hand_back, managed).atexit = False


def _hand_back(managed: Any) -> None:
    deleter: Any = managed.contents.deleter
    if deleter:  # null where there is nothing to delete
        deleter(managed)


def _on_host(borrowed: DeviceArray) -> Array:
    """A copy: the memory is handed back at once."""
    array = np.empty(borrowed.shape, borrowed.dtype)
    if array.nbytes:
        ctypes.memmove(array.ctypes.data, borrowed.address, array.nbytes)
    return array


def _is_contiguous(tensor: Any, shape: tuple[int, ...]) -> bool:
    if not tensor.strides or 0 in shape:
        return True
    wanted = 1
    for axis in reversed(range(len(shape))):
        if shape[axis] != 1 and tensor.strides[axis] != wanted:
            return False
        wanted *= shape[axis]
    return True


def _code(type: DType) -> tuple[int, int]:
    special = {BF16: _BFLOAT, BOOL: _BOOL, F8E4M3: _F8E4M3, F8E5M2: _F8E5M2}
    code = special.get(type, {"int": _INT, "uint": _UINT, "float": _FLOAT}.get(type.kind, _BOOL))
    return code, 8 if type == BOOL else type.bits


def _type(code: int, bits: int, lanes: int, what: str) -> DType:
    for each in DTYPES.values():
        if lanes == 1 and _code(each) == (code, bits):
            return each
    raise BadInput(f"{what} has an element type that is none here: DLPack code {code}, {bits} bits, {lanes} lanes")
