"""Where the walk over a model is: one reading of a body's nodes, with what its arguments stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.tensorflow.operands import Operand
from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.compiler.importers.tensorflow.scope import Scope
from isthmus.compiler.importers.tensorflow.source import Body
from isthmus.ir.graph import Value

if TYPE_CHECKING:
    from isthmus.compiler.importers.tensorflow.importer import Walk


class TfBuilder(ImportBuilder):
    """What a lowering is given: a builder that also knows the walk, the frame and the node at hand."""

    walk: Walk
    frame: Frame
    node: Message

    def body(self) -> TfBuilder:
        """A builder for the body of a control-flow node."""
        return super().body()

    def variable(self, node: Message) -> Value:
        """The contents of the variable that a node of the main graph makes, as a constant of the graph at hand."""
        return self.frame.scope.constant(node.name, self.walk.model.variables.constant(node))


class Place(NamedTuple):
    """An output of a node in one reading of its body."""

    frame: Frame
    node: str
    output: int


class Link(NamedTuple):
    """A tensor by its name in another frame, found when somebody asks."""

    frame: Frame
    text: str


@dataclass(eq=False)
class Frame:
    """One reading of a body: its nodes become values of `scope`."""

    body: Body
    scope: Scope
    path: str = ""
    arguments: Sequence[Operand | Link] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """For functions, the attributes of the call that placeholders among the nodes' attributes stand for."""
    calls: tuple[str, ...] = ()
    given: Mapping[tuple[str, int], Operand | Link] = field(default_factory=dict)
    """Tensors that are not what their node would make: signature inputs, loop variables."""
    outer: Frame | None = None
    inside: frozenset[str] | None = None
    """Where given, only these nodes are read here; all others in `outer`."""
    results: dict[str, tuple[Operand, ...]] = field(default_factory=dict)
    inner: dict[str, Frame] = field(default_factory=dict)
    """The frames of the calls made so far, by node."""


@dataclass(frozen=True, eq=False)
class Function:
    """A function that a node names in an attribute, and the frame it is named in."""

    walk: Walk
    frame: Frame
    name: str
    attributes: Mapping[str, Any]

    def results(self, scope: Scope, operands: Sequence[Operand], what: str) -> tuple[Operand, ...]:
        """What the function yields for the operands, read into `scope`."""
        return self.walk.called(self, scope, operands, what)

    def passed_on(self, operands: Sequence[Operand]) -> tuple[Operand | Place, ...]:
        """For each result the operand that it is, or what makes it; nothing is read."""
        return self.walk.traced(self, operands)


class Functions(tuple[Function, ...]):
    """The functions that a node lists in an attribute."""

    __slots__ = ()
