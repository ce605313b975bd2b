"""Names while a graph is read. A body sees its own names and, through explicit captures, those around it."""

from __future__ import annotations

from typing import TypeAlias

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.ir.constant import Constant
from isthmus.ir.errors import MalformedModel
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import I64


class TensorList(tuple[Value, ...]):
    """What an ONNX sequence is while importing: as many tensors as are known, none of it left in the graph."""

    __slots__ = ()


Operand: TypeAlias = Value | TensorList
"""What a name can stand for."""


class Scope:
    """The names of one graph, function call or body, and the builder its nodes go to."""

    def __init__(self, builder: ImportBuilder, parent: Scope | None = None) -> None:
        self.builder = builder
        self.parent = parent
        self._values: dict[str, Operand | None] = {}
        self._constants: dict[str, Constant] = {}
        self._borrowed: dict[str, Operand] = {}
        self._captured: dict[Value, Value] = {}

    @property
    def graph(self) -> Graph:
        """The graph under construction."""
        return self.builder.graph

    @property
    def captured(self) -> tuple[Value, ...]:
        """The outer values that have become inputs of this body, in order."""
        return tuple(self._captured)

    def defines(self, name: str) -> bool:
        """Whether this scope itself gives `name` a meaning."""
        return name in self._values or name in self._constants

    def define(self, name: str, value: Operand | None) -> None:
        """Give `value` a name (None: an input that is absent). MalformedModel if the name is taken in this scope."""
        if self.defines(name):
            raise MalformedModel(f"value {name!r} is defined twice")
        self._values[name] = value

    def define_constant(self, name: str, constant: Constant) -> None:
        """Give a constant a name; a node for it is made where it is used first."""
        if self.defines(name):
            raise MalformedModel(f"value {name!r} is defined twice")
        self._constants[name] = constant

    def find(self, name: str) -> Operand | None:
        """What `name` means here; None if it is an absent input. MalformedModel if nothing has that name."""
        if not name:
            return None
        if name in self._values:
            return self._values[name]
        if name in self._constants:
            self._values[name] = made = self.builder.const(self._constants.pop(name), name=name)
            return made
        if name in self._borrowed:
            return self._borrowed[name]
        if self.parent is None:
            raise MalformedModel(f"value {name!r} is used but nothing makes it")
        outer = self.parent.find(name)
        if outer is None or self.parent.graph is self.graph:
            return outer
        if isinstance(outer, TensorList):
            self._borrowed[name] = TensorList(self._copy_of(v) or self.capture(v) for v in outer)
        else:
            self._borrowed[name] = self._copy_of(outer) or self.capture(outer)
        return self._borrowed[name]

    def capture(self, outer: Value) -> Value:
        """Make a value of the enclosing graph an input of this body."""
        if outer not in self._captured:
            self._captured[outer] = self.graph.add_input(outer.type, outer.name)
        return self._captured[outer]

    def _copy_of(self, outer: Value) -> Value | None:
        """What is known of an outer value, made anew inside: bodies compute shapes from it."""
        b = self.builder
        if outer.constant is not None:
            return b.const(outer.constant, name=outer.name)
        known = b.known.of(outer)
        if known is None:
            return None
        if known.dtype != object:
            return b.const(known, name=outer.name)
        if outer.rank != 1 or outer.dtype != I64:
            return None
        return b.dims(tuple(known.tolist()))
