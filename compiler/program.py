"""A compiled model: call it, look at it, save it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isthmus.backends.base import Executable
from isthmus.compiler import artifact
from isthmus.compiler.placement import Fallback
from isthmus.compiler.report import Report
from isthmus.compiler.target import Target
from isthmus.ir.errors import BadInput
from isthmus.ir.evaluate import bind, match_inputs
from isthmus.ir.graph import Graph
from isthmus.ir.types import Array


class Program:
    """Runs on its target; `graph` is the optimized IR that was built, `report` says what happened on the way."""

    def __init__(
        self, graph: Graph, target: Target, fallback: Fallback, executable: Executable, report: Report
    ) -> None:
        self.graph = graph
        self.target = target
        self.fallback = fallback
        self.report = report
        self._executable = executable
        self._names = [v.name for v in graph.inputs]
        self._outputs = list(graph.output_names)
        self._static = [(v.dtype.numpy, v.shape) if v.type.is_static else None for v in graph.inputs]

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

    def save(self, path: str | Path) -> None:
        """Write the program so that `isthmus.load` can rebuild it: IR text, and weights in a file beside it."""
        artifact.save(self.graph, self.target, self.fallback, Path(path))

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
