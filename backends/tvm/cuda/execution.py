"""A graph built for a GPU. It can be built anywhere; the library is opened by the first call."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from isthmus.backends.store import Entry, Store
from isthmus.backends.tvm import carriers
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
        given = [carriers.carried(array, t.dtype) for array, t in zip(arrays, self.input_types, strict=True)]
        with self._lock:
            if self._session is None:
                self._session = Session(self.entry.file, self.constants, self.arch)
            found = self._session(given)
        return [carriers.restored(array, t.dtype) for array, t in zip(found, self.output_types, strict=True)]
