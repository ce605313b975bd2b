"""Where nodes go while a script is lowered, and what mutable things hold as seen from there.

A region has a frame of its own. It sees what the frames around it hold; what it writes stays with it, until the op that
owns the region carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from isthmus.compiler.importers.torch.scripted.fakes import ScriptBuilder
from isthmus.compiler.importers.torch.scripted.refs import (
    NOT_MADE,
    WRITTEN_ELSEWHERE,
    Items,
    Maybe,
    Ref,
    Spoilt,
    Stacked,
    Table,
    Tensor,
    View,
    root_of,
)
from isthmus.ir.dim import Symbol
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import I64

R = TypeVar("R", bound=Ref)


class Frame:
    """One graph under construction."""

    def __init__(self, b: ScriptBuilder, parent: Frame | None = None) -> None:
        self.b = b
        self.parent = parent
        self._contents: dict[Ref, Any] = {}
        self._captured: dict[Value, Value] = {}
        self._copied: dict[Value, Value] = {}
        self._views: dict[tuple[View, Value], Value] = {}
        self._entangled: dict[Ref, list[Ref]] = {} if parent is None else parent._entangled

    def inner(self) -> Frame:
        """A frame for a region."""
        return Frame(self.b.body(), self)

    @property
    def captured(self) -> tuple[Value, ...]:
        """The values from outside that this region takes, in order, after its other inputs."""
        return tuple(self._captured)

    # -- mutable things ---------------------------------------------------------------------------

    def tensor(self, value: Value) -> Tensor:
        """A new tensor that holds `value`."""
        return self._made(Tensor(self), value)

    def gap(self) -> Tensor:
        """A tensor that is there only as long as nobody reads it."""
        return self._made(Tensor(self), NOT_MADE)

    def items(self, content: list[Any] | Stacked) -> Items:
        """A new list."""
        return self._made(Items(self), content)

    def table(self, content: dict[Any, Any]) -> Table:
        """A new dict."""
        return self._made(Table(self), content)

    def view(self, base: Tensor, read: Any, write: Any, is_dense: bool) -> View:
        """A new tensor in the memory of `base`."""
        return View(self, base, read, write, is_dense)

    def knows(self, ref: Ref) -> bool:
        """Whether this frame, or one around it, holds something for `ref`."""
        return ref in self._contents or (self.parent is not None and self.parent.knows(ref))

    def read(self, ref: Ref) -> Any:
        """What `ref` holds, as values of this frame's graph."""
        if isinstance(ref, View):
            return self._seen(ref)
        if ref in self._contents:
            found = self._contents[ref]
            if isinstance(found, Spoilt):
                raise UnsupportedModel(found.reason, hint=found.hint)
            return found
        assert self.parent is not None, "a reference is written where it is made"
        return self.lift(self.parent.read(ref))

    def write(self, ref: Ref, content: Any) -> None:
        """Let `ref` hold `content` from now on; what lies in the same memory follows."""
        if isinstance(ref, View):
            assert ref.write is not None, "checked by whoever writes"
            self.write(ref.base, ref.write(self, self.read(ref.base), content))
        else:
            self._contents[ref] = content
            self._contents.update(dict.fromkeys(self._entangled.get(ref, ()), WRITTEN_ELSEWHERE))

    def entangle(self, chosen: Tensor, others: Sequence[Any]) -> None:
        """`chosen` is one of `others`, as data decide: what is written to one of them spoils the rest."""
        for each in others:
            root = root_of(each) if isinstance(each, Tensor) else None
            if root is not None and self.knows(root):
                self._entangled.setdefault(root, []).append(chosen)
                self._entangled.setdefault(chosen, []).append(root)

    def effects(self) -> list[Ref]:
        """What was made outside and written here."""
        return [ref for ref in self._contents if ref.home is not self]

    def _made(self, ref: R, content: Any) -> R:
        self._contents[ref] = content
        return ref

    def _seen(self, view: View) -> Value:
        if view.home is not self and self.parent is not None and not self._writes_under(view):
            found: Value = self.lift(self.parent.read(view))
            return found
        base = self.read(view.base)
        if (view, base) not in self._views:
            self._views[view, base] = view.read(self, base)
        return self._views[view, base]

    def _writes_under(self, view: View) -> bool:
        return root_of(view) in self._contents

    # -- values -----------------------------------------------------------------------------------

    def lift(self, found: Any) -> Any:
        """`found` with every value in it seen from this graph."""
        if isinstance(found, Value):
            return self.here(found)
        if isinstance(found, list | tuple):
            return type(found)(self.lift(each) for each in found)
        if isinstance(found, dict):
            return {key: self.lift(each) for key, each in found.items()}
        if isinstance(found, Maybe):
            return Maybe(self.here(found.present), self.lift(found.inner))
        if isinstance(found, Stacked):
            return Stacked(found.element, tuple(self.here(leaf) for leaf in found.leaves))
        return found

    def here(self, value: Value) -> Value:
        """A value of this graph or one around it: itself, a copy of what is known of it, or a capture."""
        if _graph_of(value) is self.b.graph:
            return value
        assert self.parent is not None, "a value comes from a region that is closed"
        if value not in self._copied:
            outer = self.parent.here(value)
            self._copied[value] = self._copy_of(outer) or self._capture(outer)
        return self._copied[value]

    def _capture(self, outer: Value) -> Value:
        if outer not in self._captured:
            taken = {v.name for v in self.b.graph.inputs}
            self._captured[outer] = self.b.graph.add_input(outer.type, "" if outer.name in taken else outer.name)
        return self._captured[outer]

    def _copy_of(self, outer: Value) -> Value | None:
        if outer.constant is not None:
            return self.b.const(outer.constant, name=outer.name)
        known = self.b.known.of(outer)
        if known is None:
            return None
        if known.dtype != object:
            return self.b.const(known, name=outer.name)
        if outer.rank != 1 or outer.dtype != I64:
            return None
        return self.b.dims(tuple(known.tolist()))

    def symbols(self) -> frozenset[Symbol]:
        """The sizes that have been told so far, here and around."""
        values = [*self.b.graph.inputs, *(r for node in self.b.graph.nodes for r in node.results)]
        found: frozenset[Symbol] = frozenset().union(*(v.type.symbols() for v in values))
        return found if self.parent is None else found | self.parent.symbols()


def capture_alike(frames: Sequence[Frame], parent: Frame) -> tuple[Value, ...]:
    """Make regions that run with the same operands take the same captures, in the same order; returns them.

    Inputs that a region lacks are added to it; its graph is rebuilt where their order differs.
    """
    wanted = list(dict.fromkeys(value for frame in frames for value in frame.captured))
    for frame in frames:
        inside = [frame._capture(value) for value in wanted]
        frame.b.graph = _reordered(frame.b.graph, inside)
    return tuple(wanted)


def _reordered(graph: Graph, inputs: Sequence[Value]) -> Graph:
    if list(graph.inputs) == list(inputs):
        return graph
    made = Graph(graph.name)
    values = {old: made.add_input(old.type, old.name) for old in inputs}
    for node in graph.nodes:
        copied = made.insert(node.clone(values))
        values.update(zip(node.results, copied.results, strict=True))
    made.set_outputs([values[v] for v in graph.outputs], graph.output_names)
    return made


def _graph_of(value: Value) -> Graph | None:
    return value.producer if isinstance(value.producer, Graph) else value.producer.graph
