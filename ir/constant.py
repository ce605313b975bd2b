"""Constants: arrays that are read when somebody looks, hashed by content, and never copied in between."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property

import numpy as np

from isthmus.ir.types import Array, TensorType, type_of

_SAMPLE = 16


class Constant:
    """An immutable tensor value. `type` is known at once; `array` is loaded on first use and is read-only.

    Equal by content (bit for bit, so NaN equals itself and -0.0 differs from 0.0).
    """

    def __init__(self, type: TensorType, load: Callable[[], Array]) -> None:
        self.type = type
        self._load = load

    @staticmethod
    def of(array: Array) -> Constant:
        """The constant that shares memory with `array`, which must not change afterwards."""
        return Constant(type_of(array), lambda: array)

    @cached_property
    def array(self) -> Array:
        """The contents, read-only, in the numpy type that carries `type.dtype`."""
        array = self._load()
        if array.shape != self.type.shape or array.dtype != self.type.dtype.numpy:
            raise ValueError(f"constant declared {self.type} holds {array.dtype}{list(array.shape)}")
        view = array.view()
        view.flags.writeable = False
        return view

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the type and the bytes, in hexadecimal: the constant's name in text."""
        state = hashlib.sha256(str(self.type).encode())
        state.update(np.ascontiguousarray(self.array).reshape(-1).view(np.uint8).data)
        return state.hexdigest()

    @cached_property
    def fingerprint(self) -> tuple[object, ...]:
        """Equal for equal constants and cheap: type and a few sampled elements. Compare before `digest`."""
        array = self.array
        step = max(array.size // _SAMPLE, 1)
        return self.type, array.flat[np.arange(0, array.size, step)].tobytes()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Constant)
            and self.fingerprint == other.fingerprint
            and (self.array.size <= _SAMPLE or self.digest == other.digest)
        )

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"Constant({self.type})"
