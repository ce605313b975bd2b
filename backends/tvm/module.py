"""The Relax module under construction: functions, and kernels that are written once for each form."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from isthmus.backends.tvm.api import relax
from isthmus.backends.tvm.kernels import Generator, Machine


class Module:
    """Functions are opened, filled and closed like brackets: regions within what holds them."""

    def __init__(self, machine: Machine, generator: Generator | None) -> None:
        self.machine = machine
        self.generator = generator
        """What offers kernels better than the default ones."""
        self.notes: list[str] = []
        """What took the default path, and why; for the report."""
        self.titles: list[str] = []
        """The kernels of the library that are used."""
        self._builder = relax.BlockBuilder()
        self._shared: dict[Hashable, Any] = {}

    def open(self, inputs: Sequence[Any]) -> None:
        """Begin a function of these Relax variables."""
        self._builder.begin_scope(list(inputs))
        self._builder._begin_binding_block()

    def close(self, name: str, inputs: Sequence[Any], result: Any, attributes: dict[str, Any]) -> Any:
        """End the function begun last, whose parameters `inputs` may be more than those in scope; its variable."""
        block = self._builder._end_block()
        body = self._builder.normalize(relax.SeqExpr([block] if len(block.bindings) else [], result))
        function = relax.Function(list(inputs), body, is_pure=False)
        for key, value in attributes.items():
            function = function.with_attr(key, value)
        self._builder.end_scope()
        return self._builder.add_func(function, name)

    def emit(self, expression: Any) -> Any:
        """A variable for an expression."""
        return self._builder.emit(expression)

    def emit_match(self, value: Any, type: Any) -> Any:
        """`value` seen as `type`, whose unbound variables are bound to what is found when running."""
        return self._builder.match_cast(value, type)

    def call(self, function: Any, name: str, arguments: Sequence[Any], types: Sequence[Any]) -> list[Any]:
        """Call a kernel, equal ones sharing one function; a variable for each result."""
        return self.call_kernel(self._builder.add_func(function, name), arguments, types)

    def call_kernel(self, kernel: Any, arguments: Sequence[Any], types: Sequence[Any]) -> list[Any]:
        """Call a kernel of the module."""
        made = self.emit(relax.call_tir(kernel, list(arguments), types[0] if len(types) == 1 else list(types)))
        if len(types) == 1:
            return [made]
        return [self.emit(relax.TupleGetItem(made, i)) for i in range(len(types))]

    def shared(self, key: Hashable, name: str, write: Callable[[], Any]) -> Any:
        """The kernel that was written for `key` before, or is written now."""
        if key not in self._shared:
            self._shared[key] = self._builder.add_func(write(), name)
        return self._shared[key]

    def finish(self) -> Any:
        """The `tvm.IRModule`."""
        return self._builder.finalize()
