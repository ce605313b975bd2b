"""The graph being built, or the body of a control-flow node in it. Values cross into a body by explicit captures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar, cast

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.tensorflow.operands import (
    Complex,
    Operand,
    ReservedList,
    Table,
    TensorList,
)
from isthmus.ir.constant import Constant
from isthmus.ir.errors import MalformedModel
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.types import I64

AnyOperand = TypeVar("AnyOperand", bound=Operand)


class Scope:
    """A builder, and what its graph takes from the scope around it."""

    def __init__(self, builder: ImportBuilder, parent: Scope | None = None) -> None:
        self.builder = builder
        self.parent = parent
        self._brought: dict[Value, Value] = {}
        self._captured: dict[Value, Value] = {}
        self._constants: dict[str, Value] = {}

    @property
    def graph(self) -> Graph:
        """The graph under construction."""
        return self.builder.graph

    @property
    def captured(self) -> tuple[Value, ...]:
        """The values of the parent's graph that have become inputs of this body, in order."""
        return tuple(self._captured)

    def body(self, name: str) -> Scope:
        """A scope for the body of a control-flow node made here."""
        inner = Scope(self.builder.body(), self)
        inner.graph.name = name
        return inner

    def constant(self, key: str, constant: Constant) -> Value:
        """A constant of the model under a key: one node for all uses."""
        if key not in self._constants:
            self._constants[key] = self.builder.const(constant, name=key)
        return self._constants[key]

    def admit(self, operand: AnyOperand) -> AnyOperand:
        """The operand as this scope may use it: what tensors it has become values of this graph."""
        return cast(AnyOperand, self._admitted(operand))

    def _admitted(self, operand: Operand) -> Operand:
        match operand:
            case Value():
                return self._value(operand)
            case Complex():
                return Complex(self._value(operand.real), self._value(operand.imaginary))
            case Table():
                return Table(self._value(operand.keys), self._value(operand.values))
            case TensorList():
                return TensorList(self._value(operand.buffer))
            case ReservedList(count=Value() as count):
                return replace(operand, count=self._value(count))
        return operand

    def capture(self, outer: Value) -> Value:
        """Make a value of the parent's graph an input of this body."""
        if outer not in self._captured:
            self._captured[outer] = self.graph.add_input(outer.type, outer.name)
        return self._captured[outer]

    def _value(self, value: Value) -> Value:
        if _graph_of(value) is self.graph:
            return value
        if value not in self._brought:
            if self.parent is None:
                raise MalformedModel(f"{value} is used outside the body that makes it")
            outer = self.parent._value(value)
            self._brought[value] = self._copy_of(outer) or self.capture(outer)
        return self._brought[value]

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
        if outer.rank > 1 or not outer.dtype.is_integer:
            return None
        sizes = b.dims(tuple(known.reshape(-1).tolist()))
        sizes = sizes if outer.rank else b.reshape(sizes, shape=())
        return sizes if outer.dtype == I64 else b.cast(sizes, dtype=outer.dtype)


def rebuilt(graph: Graph, inputs: Sequence[Value], outputs: Sequence[Value]) -> Graph:
    """The graph with its inputs in the given order, yielding `outputs`."""
    made = Graph(graph.name)
    taken: set[str] = set()
    values: dict[Value, Value] = {}
    for i, v in enumerate(inputs):
        values[v] = made.add_input(v.type, v.name if v.name not in taken else f"{v.name}_{i}")
        taken |= {v.name, values[v].name}
    for node in graph.nodes:
        twin = made.insert(node.clone(values))
        values.update(zip(node.results, twin.results, strict=True))
    made.set_outputs([values[v] for v in outputs], [f"out{i}" for i in range(len(outputs))])
    return made


def _graph_of(value: Value) -> Graph | None:
    return value.producer.graph if isinstance(value.producer, Node) else value.producer
