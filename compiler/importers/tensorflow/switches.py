"""TensorFlow 1's control flow, raised: Switch and Merge to branches, Enter to Exit to loops.

A branch is what lies between the switches on one predicate and a merge. Which nodes those are is a question of data
flow: a node is guarded by a predicate's outcome if all that it uses, or must wait for, is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from isthmus.compiler.importers.tensorflow.branches import choose
from isthmus.compiler.importers.tensorflow.frame import Frame, Link
from isthmus.compiler.importers.tensorflow.loops import run
from isthmus.compiler.importers.tensorflow.operands import Operand, Poison
from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.compiler.importers.tensorflow.scope import Scope
from isthmus.compiler.importers.tensorflow.source import Body, Ref, parse_ref
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value

if TYPE_CHECKING:
    from isthmus.compiler.importers.tensorflow.importer import Walk

_SWITCH = ("Switch", "RefSwitch")
_MERGE = ("Merge", "RefMerge")
_ENTER = ("Enter", "RefEnter")
_NEXT = ("NextIteration", "RefNextIteration")
_EXIT = ("Exit", "RefExit")
_SAME = ("Identity", "RefIdentity")

Guard = tuple[str, int]
"""A predicate by its node, and the outcome: 1 if it held."""


@dataclass(frozen=True)
class LoopNodes:
    """The nodes of one loop, a column for each variable."""

    merges: tuple[str, ...]
    enters: tuple[str, ...]
    switches: tuple[str, ...]
    exits: tuple[str | None, ...]
    nexts: tuple[str, ...]
    """What each variable is after an iteration."""
    condition: str
    invariants: tuple[str, ...]
    """The constant Enter nodes."""


class ControlFlow:
    """What the control-flow nodes of a body belong to."""

    def __init__(self, body: Body) -> None:
        self._nodes = body.nodes

    @cached_property
    def loops(self) -> dict[str, LoopNodes]:
        """The loop that each Exit node ends."""
        merges: dict[str, str] = {}
        switches: dict[str, str] = {}
        exits: dict[str, str] = {}
        by_frame: dict[str, list[str]] = {}
        for name, node in self._nodes.items():
            sources = [parse_ref(text) for text in node.input if not text.startswith("^")]
            if node.op in _ENTER:
                by_frame.setdefault(_frame_name(node), []).append(name)
            elif node.op in _MERGE:
                for ref in sources:
                    if ref.node in self._nodes and self._nodes[ref.node].op in _ENTER:
                        merges[ref.node] = name
            elif node.op in _SWITCH and sources:
                switches[sources[0].node] = name
            elif node.op in _EXIT and sources:
                exits[sources[0].node] = name
        found = {}
        for enters in by_frame.values():
            loop = self._loop(enters, merges, switches, exits)
            if loop is not None:
                found.update(dict.fromkeys((name for name in loop.exits if name), loop))
        return found

    @cached_property
    def loop_merges(self) -> frozenset[str]:
        """The Merge nodes that begin loop variables."""
        return frozenset(
            name
            for name, node in self._nodes.items()
            if node.op in _MERGE
            and any(self._op(parse_ref(text).node) in (*_ENTER, *_NEXT) for text in node.input if text[:1] != "^")
        )

    @cached_property
    def guards(self) -> dict[str, frozenset[Guard]]:
        """Which outcomes each node waits for."""
        found: dict[str, frozenset[Guard]] = {}
        pending = list(self._nodes)
        open_: set[str] = set()
        while pending:
            name = pending[-1]
            if name in found:
                pending.pop()
                continue
            node = self._nodes[name]
            sources = self._sources(node)
            waiting = [s.node for s in sources if s.node in self._nodes and s.node not in found]
            if name not in open_ and waiting:
                open_.add(name)
                pending += [w for w in waiting if w not in open_]
                continue
            each = [self.of(found, s.node, s.number) for s in sources]
            if node.op in _MERGE:
                found[name] = frozenset.intersection(*each) if each else frozenset()
            else:
                found[name] = frozenset().union(*each)
            pending.pop()
        return found

    def of(self, found: dict[str, frozenset[Guard]], name: str, output: int) -> frozenset[Guard]:
        """The guards of one output of a node: a switch adds its own."""
        own = found.get(name, frozenset())
        node = self._nodes.get(name)
        if node is None or node.op not in _SWITCH or len(node.input) < 2:
            return own
        return own | {(self.predicate(node), output)}

    def predicate(self, switch: Message) -> str:
        """The node that decides a switch, past identities."""
        name = parse_ref(switch.input[1]).node
        for _ in range(len(self._nodes)):
            node = self._nodes.get(name)
            if node is None or node.op not in _SAME:
                break
            name = parse_ref(node.input[0]).node
        return name

    def _sources(self, node: Message) -> list[Ref]:
        sources = [parse_ref(text.removeprefix("^")) for text in node.input]
        if node.name in self.loop_merges:
            return [s for s in sources if self._op(s.node) in _ENTER]
        return sources

    def _op(self, name: str) -> str:
        node = self._nodes.get(name)
        return "" if node is None else str(node.op)

    def _loop(
        self, enters: Sequence[str], merges: dict[str, str], switches: dict[str, str], exits: dict[str, str]
    ) -> LoopNodes | None:
        variables = [e for e in enters if e in merges and merges[e] in switches]
        conditions = {self._nodes[switches[merges[e]]].input[1] for e in variables}
        if not variables or len(conditions) != 1:
            return None
        nexts = []
        for enter in variables:
            texts = [t for t in self._nodes[merges[enter]].input if self._op(parse_ref(t).node) in _NEXT]
            if len(texts) != 1 or not self._nodes[parse_ref(texts[0]).node].input:
                return None
            nexts.append(self._nodes[parse_ref(texts[0]).node].input[0])
        return LoopNodes(
            merges=tuple(merges[e] for e in variables),
            enters=tuple(variables),
            switches=tuple(switches[merges[e]] for e in variables),
            exits=tuple(exits.get(switches[merges[e]]) for e in variables),
            nexts=tuple(nexts),
            condition=conditions.pop(),
            invariants=tuple(e for e in enters if e not in variables),
        )


class Switches:
    """Raises the control flow of TensorFlow 1 for a walk."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._flows: dict[Body, ControlFlow] = {}

    def needs(self, frame: Frame, node: Message) -> list[str] | None:
        """The tensors a raised node uses from outside itself; None for ordinary nodes."""
        if node.op in _EXIT:
            loop = self._loop(frame, node)
            nodes = frame.body.nodes
            return [nodes[name].input[0] for name in (*loop.enters, *loop.invariants)]
        if node.op in _MERGE:
            guard, _ = self._sides(frame, node)
            switches = [n for n in frame.body.nodes.values() if n.op in _SWITCH and len(n.input) > 1]
            flow = self._flow(frame)
            outside = [n for n in switches if flow.predicate(n) == guard]
            return [text for n in outside[:1] for text in n.input[1:2]]
        return None

    def results(self, frame: Frame, node: Message) -> tuple[Operand, ...] | None:
        """What a raised node makes; None for ordinary nodes."""
        if node.op in _EXIT:
            return self._exit(frame, node)
        if node.op in _MERGE:
            return self._merge(frame, node)
        if node.op in (*_SWITCH, *_NEXT):
            raise UnsupportedModel(f"{node.op} outside of a loop or branch that could be recognised")
        return None

    def _exit(self, frame: Frame, node: Message) -> tuple[Operand, ...]:
        loop = self._loop(frame, node)
        found = run(frame.scope, _LoopV1(self._walk, frame, loop))
        for name, result in zip(loop.exits, found, strict=True):
            if name is not None:
                frame.results[name] = (result,)
        return frame.results[node.name]

    def _merge(self, frame: Frame, node: Message) -> tuple[Operand, ...]:
        guard, sides = self._sides(frame, node)
        condition = self._predicate(frame, guard)
        if isinstance(condition, Poison):
            return (condition,)
        if not isinstance(condition, Value):
            raise UnsupportedModel("the predicate of a branch is no tensor")
        branches = [partial(self._branch, frame, guard, outcome, sides[outcome]) for outcome in (1, 0)]
        return choose(frame.scope, frame.scope.admit(condition), *branches)

    def _branch(self, frame: Frame, predicate: str, outcome: int, text: str, scope: Scope) -> tuple[Operand, ...]:
        flow, nodes = self._flow(frame), frame.body.nodes
        inside = frozenset(name for name, guards in flow.guards.items() if (predicate, outcome) in guards)
        given: dict[tuple[str, int], Operand | Link] = {
            (name, outcome): Link(frame, node.input[0])
            for name, node in nodes.items()
            if node.op in _SWITCH and len(node.input) > 1 and flow.predicate(node) == predicate
        }
        inner = Frame(
            frame.body, scope, frame.path, frame.arguments, frame.attributes, frame.calls, given, frame, inside
        )
        return (scope.admit(self._walk.ask(inner, text)),)

    def _sides(self, frame: Frame, merge: Message) -> tuple[str, dict[int, str]]:
        """The predicate that decides a merge, and the merge's input for each outcome."""
        flow = self._flow(frame)
        texts = [text for text in merge.input if not text.startswith("^")]
        if len(texts) == 2 and merge.name not in flow.loop_merges:
            refs = [parse_ref(text) for text in texts]
            guards = [flow.of(flow.guards, ref.node, ref.number) for ref in refs]
            for predicate, outcome in sorted(guards[0]):
                if (predicate, 1 - outcome) in guards[1]:
                    return predicate, {outcome: texts[0], 1 - outcome: texts[1]}
        raise UnsupportedModel("a Merge whose branches cannot be told apart")

    def _predicate(self, frame: Frame, name: str) -> Operand:
        for node in frame.body.nodes.values():
            if node.op in _SWITCH and len(node.input) > 1 and self._flow(frame).predicate(node) == name:
                return self._walk.ask(frame, node.input[1])
        raise MalformedModel(f"no switch depends on {name!r}")

    def _loop(self, frame: Frame, node: Message) -> LoopNodes:
        loop = self._flow(frame).loops.get(node.name)
        if loop is None:
            raise UnsupportedModel("an Exit whose loop cannot be recognised")
        return loop

    def _flow(self, frame: Frame) -> ControlFlow:
        if frame.body not in self._flows:
            self._flows[frame.body] = ControlFlow(frame.body)
        return self._flows[frame.body]


class _LoopV1:
    """A while loop of TensorFlow 1 as `loops` reads it."""

    def __init__(self, walk: Walk, frame: Frame, loop: LoopNodes) -> None:
        self._walk = walk
        self._frame = frame
        self._loop = loop
        nodes = frame.body.nodes
        self._outside = {(name, 0): Link(frame, nodes[name].input[0]) for name in loop.invariants}
        self.start = [walk.ask(frame, nodes[name].input[0]) for name in loop.enters]

    def unchanged(self) -> list[bool]:
        """Which variables the body passes on as they are."""
        marks: list[Operand] = [Poison(()) for _ in self.start]
        inner = self._inner(self._frame.scope, marks, body=True)
        return [self._walk.locate(inner, text) is mark for text, mark in zip(self._loop.nexts, marks, strict=True)]

    def condition(self, scope: Scope, variables: Sequence[Operand]) -> Operand:
        """Whether to go on."""
        return self._walk.ask(self._inner(scope, variables, body=False), self._loop.condition)

    def body(self, scope: Scope, variables: Sequence[Operand]) -> list[Operand]:
        """The variables after one iteration."""
        inner = self._inner(scope, variables, body=True)
        return [scope.admit(self._walk.ask(inner, text)) for text in self._loop.nexts]

    def _inner(self, scope: Scope, variables: Sequence[Operand], body: bool) -> Frame:
        given: dict[tuple[str, int], Operand | Link] = dict(self._outside)
        given |= {(name, 0): x for name, x in zip(self._loop.merges, variables, strict=True)}
        if body:
            given |= {(name, 1): x for name, x in zip(self._loop.switches, variables, strict=True)}
        outer = self._frame
        given = {**outer.given, **given}
        path = outer.path
        return Frame(
            outer.body, scope, path, outer.arguments, outer.attributes, outer.calls, given, outer.outer, outer.inside
        )


def _frame_name(node: Message) -> str:
    return node.attr["frame_name"].s.decode(errors="replace") if "frame_name" in node.attr else ""
