"""A graph built for a GPU. It can be built anywhere; the library is opened by the first call."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from isthmus.backends.store import Entry, Store
from isthmus.backends.tvm import carriers
from isthmus.backends.tvm.cuda.arrays import DeviceArray, take
from isthmus.backends.tvm.cuda.runtime import Session
from isthmus.ir.types import Array, TensorType


@dataclass(eq=False)
class Execution:
    """Runs a library; calls from several threads take turns. DeviceUnavailable on a machine that cannot run it."""

    entry: Entry
    input_types: Sequence[TensorType]
    output_types: Sequence[TensorType]
    constants: Sequence[Array]
    """What the kernels read, as they read it."""
    arch: str
    info: Mapping[str, str]
    store: Store
    """Keeps the library's file as long as it is needed."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _session: Session | None = field(default=None, repr=False)

    @property
    def engines(self) -> tuple[str, ...]:
        """Under which key the library lies in the store."""
        return (self.entry.key,)

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs in order, each an array of its own. Inputs must fit the graph's types."""
        with self._lock:
            found = self._opened()(self._carried(arrays))
        return [carriers.restored(array, t.dtype) for array, t in zip(found, self.output_types, strict=True)]

    def take(self, given: Any, what: str) -> DeviceArray | Array:
        """An input of `on_device` from anything that speaks DLPack. BadInput for what cannot be one."""
        with self._lock:
            self._opened()
        return take(given, what)

    def on_device(self, arrays: Sequence[DeviceArray | Array], stream: int | None = None) -> list[DeviceArray]:
        """Outputs in memory of their own on the GPU. Inputs may lie on either side.

        They are complete when this returns; with a stream, once that has done what it was given.
        """
        with self._lock:
            session = self._opened()
            found = session.queued(self._carried(arrays), stream or 0)
            if stream is None:
                session.finish()
        finish = None if stream is None else partial(session.finish, stream)
        return [DeviceArray(each, t.dtype, finish) for each, t in zip(found, self.output_types, strict=True)]

    def _opened(self) -> Session:
        if self._session is None:
            self._session = Session(self.entry.file, self.constants, self.arch)
        return self._session

    def _carried(self, arrays: Sequence[Any]) -> list[Any]:
        return [
            array if isinstance(array, DeviceArray) else carriers.carried(array, t.dtype)
            for array, t in zip(arrays, self.input_types, strict=True)
        ]
