"""What flows along the edges of a TensorFlow graph while it is read: tensors, and what is no tensor in the IR."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from isthmus.compiler.importers.base import unsupported_ops
from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.ir.dim import Dim
from isthmus.ir.errors import UnsupportedOps
from isthmus.ir.graph import Value
from isthmus.ir.types import DType

PartialShape: TypeAlias = tuple[Dim | None, ...] | None
"""Sizes of which some are not known; None where not even the rank is."""


@dataclass(frozen=True, eq=False)
class Variable:
    """A variable, by the node of the main graph that makes it."""

    node: Message


@dataclass(frozen=True, eq=False)
class Text:
    """A constant tensor of strings."""

    shape: tuple[int, ...]
    elements: tuple[bytes, ...]


@dataclass(frozen=True, eq=False)
class Complex:
    """A tensor of complex numbers as two real ones."""

    real: Value
    imaginary: Value


@dataclass(frozen=True, eq=False)
class Table:
    """A lookup table from integers to numbers: constant keys and values [n]."""

    keys: Value
    values: Value


@dataclass(frozen=True, eq=False)
class TensorList:
    """A TensorList or TensorArray whose elements are the slices of one tensor along axis 0."""

    buffer: Value


@dataclass(frozen=True, eq=False)
class ReservedList:
    """A list of `count` elements of which none is set. What they look like shows when one is."""

    dtype: DType
    element: PartialShape
    count: Value | None
    """How many, as a scalar; None for an empty list that grows."""
    grows: bool = False
    """Whether a write behind the end makes the list longer."""


@dataclass(eq=False)
class ListOrigin:
    """A list as it is when an iteration of a loop begins."""

    start: ReservedList | TensorList
    reads: int = 0
    """How often the body reads an element."""


@dataclass(frozen=True, eq=False)
class LoopList:
    """A list that a loop carries, and what has been done to it in one iteration."""

    origin: ListOrigin
    written: tuple[tuple[Value, Value], ...] = ()
    """Index and element of each write."""
    pushed: tuple[Value, ...] = ()
    grows: bool = False
    """Whether a write behind the end makes the list longer."""

    def write(self, index: Value, item: Value, grows: bool) -> LoopList:
        """The list with one more element set."""
        return replace(self, written=(*self.written, (index, item)), grows=self.grows or grows)

    def push(self, item: Value) -> LoopList:
        """The list with one more element at its end."""
        return replace(self, pushed=(*self.pushed, item))


@dataclass(frozen=True, eq=False)
class Poison:
    """The result of an op nothing can lower, or of one that uses such a result."""

    causes: Sequence[tuple[str, str]]
    """Op and node path of each op at fault."""

    def error(self) -> UnsupportedOps:
        """The error that lists every op at fault."""
        found: dict[str, list[str]] = defaultdict(list)
        for op, path in dict.fromkeys(self.causes):
            found[f"tensorflow::{op}"].append(path)
        return unsupported_ops(found)


Operand: TypeAlias = Value | Variable | Text | Complex | Table | TensorList | ReservedList | LoopList | Poison

KINDS: dict[type, str] = {
    Value: "a tensor",
    Variable: "a variable",
    Text: "a string",
    Complex: "a complex tensor",
    Table: "a lookup table",
    TensorList: "a list",
    ReservedList: "a list",
    LoopList: "a list",
}
"""How messages call each kind."""
