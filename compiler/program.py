"""A compiled model: call it, look at it, save it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isthmus.backends.base import Executable, OnDevice, Stored
from isthmus.backends.store import Store
from isthmus.compiler import artifact
from isthmus.compiler.artifact import Recipe
from isthmus.compiler.placement import Fallback
from isthmus.compiler.report import Report
from isthmus.compiler.target import Target
from isthmus.ir.errors import BadArgument, BadInput
from isthmus.ir.evaluate import bind, match_inputs, match_names
from isthmus.ir.graph import Graph
from isthmus.ir.types import Array


class Program:
    """Runs on its target; `graph` is the optimized IR that was built, `report` says what happened on the way."""

    def __init__(self, graph: Graph, recipe: Recipe, executable: Executable, store: Store, report: Report) -> None:
        self.graph = graph
        self.report = report
        self._recipe = recipe
        self._executable = executable
        self._store = store
        self._names = [v.name for v in graph.inputs]
        self._outputs = list(graph.output_names)
        self._static = [(v.dtype.numpy, v.shape) if v.type.is_static else None for v in graph.inputs]

    @property
    def target(self) -> Target:
        """Where it runs, and in which precision."""
        return self._recipe.target

    @property
    def fallback(self) -> Fallback:
        """What became of nodes the target's backend refuses."""
        return self._recipe.fallback

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names a call takes, in order."""
        return tuple(self._names)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the results, in order."""
        return tuple(self._outputs)

    def __call__(self, *arrays: Any) -> dict[str, Array]:
        """Outputs by name, for inputs given in order or as one mapping by name.

        Inputs are numpy arrays of exactly the types in `graph.inputs`; BadInput says what does not fit. Results belong
        to the caller: a later call does not change them.
        """
        inputs = self._in_order(arrays)
        for array, static in zip(inputs, self._static, strict=True):
            if static is None or getattr(array, "dtype", None) != static[0] or array.shape != static[1]:
                self._check(inputs)
                break
        return dict(zip(self._outputs, self._executable(inputs), strict=True))

    def run_on_device(self, *arrays: Any, stream: Any = None) -> dict[str, Any]:
        """As a call, without copies through the host, for targets with memory of their own.

        Inputs are anything that speaks DLPack and lies on the target's device (a torch tensor on the GPU), or on the
        host, from where it is copied. Outputs speak DLPack too: `torch.from_dlpack(y)` shares their memory, `y.numpy()`
        copies it. They are complete, and belong to the caller.
        With `stream`, a CUDA stream's handle or torch's object for one, the call takes its place in it and nobody
        waits: inputs must live until the stream has come that far. BadArgument for a program that runs on the host.
        """
        executable = self._executable
        if not isinstance(executable, OnDevice):
            raise BadArgument(
                f"a program for {self.target} has no one device to run on", hint="call the program itself"
            )
        handle = _stream(stream)
        given = arrays[0] if len(arrays) == 1 and isinstance(arrays[0], Mapping) else arrays
        ordered = match_names(self.graph, given)
        taken = [executable.take(x, f"input {name!r}") for name, x in zip(self._names, ordered, strict=True)]
        self._check(taken)
        return dict(zip(self._outputs, executable.on_device(taken, handle), strict=True))

    def save(self, path: str | Path) -> None:
        """Write the program for `isthmus.load`: IR text, and beside it a file of weights and a folder of engines."""
        artifact.save(self.graph, self._recipe, Path(path))
        keys = self._executable.engines if isinstance(self._executable, Stored) else ()
        self._store.save(artifact.engines(Path(path)), keys)

    def __repr__(self) -> str:
        return f"Program({self.graph.name!r}, target={str(self.target)!r}, {len(self._names)} inputs)"

    def _in_order(self, arrays: Sequence[Any]) -> list[Array]:
        if len(arrays) == 1 and isinstance(given := arrays[0], Mapping):
            try:
                if len(given) == len(self._names):
                    return [given[name] for name in self._names]
            except KeyError:
                pass
            return match_inputs(self.graph, given)
        return match_inputs(self.graph, arrays)

    def _check(self, inputs: Sequence[Array]) -> None:
        bindings: dict[str, int] = {}
        for value, array in zip(self.graph.inputs, inputs, strict=True):
            if not hasattr(array, "dtype"):
                found = type(array).__name__
                raise BadInput(f"input {value.name!r} is a {found}, expected a numpy array: {value.type}")
            bind(value.type, array, bindings, f"input {value.name!r}")


def _stream(given: Any) -> int | None:
    """The handle of a stream: a number, `cuda_stream` of torch's, or what `__cuda_stream__` returns (cuda.core's)."""
    if hasattr(given, "__cuda_stream__"):
        given = given.__cuda_stream__()[1]
    handle = getattr(given, "cuda_stream", given)
    if handle is None or (isinstance(handle, int) and not isinstance(handle, bool) and handle >= 0):
        return handle
    raise BadArgument(f"stream is {given!r}", hint="give the handle of a CUDA stream, or torch's object for one")
