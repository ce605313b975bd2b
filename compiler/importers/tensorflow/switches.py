"""TensorFlow 1's control flow, raised: Switch and Merge to branches, Enter to Exit to loops.

A branch is what lies between the switches on one predicate and a merge. Which nodes those are is a question of data
flow, which `dataflow` answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from isthmus.compiler.importers.tensorflow.branches import choose
from isthmus.compiler.importers.tensorflow.dataflow import EXIT, MERGE, NEXT, SWITCH, ControlFlow, LoopNodes
from isthmus.compiler.importers.tensorflow.frame import Frame, Link
from isthmus.compiler.importers.tensorflow.loops import run
from isthmus.compiler.importers.tensorflow.operands import Operand, Poison
from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.compiler.importers.tensorflow.scope import Scope
from isthmus.compiler.importers.tensorflow.source import Body, parse_ref
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value

if TYPE_CHECKING:
    from isthmus.compiler.importers.tensorflow.importer import Walk


class Switches:
    """Raises the control flow of TensorFlow 1 for a walk."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._flows: dict[Body, ControlFlow] = {}

    def needs(self, frame: Frame, node: Message) -> list[str] | None:
        """The tensors a raised node uses from outside itself; None for ordinary nodes."""
        if node.op in EXIT:
            loop = self._loop(frame, node)
            nodes = frame.body.nodes
            return [nodes[name].input[0] for name in (*loop.enters, *loop.invariants)]
        if node.op in MERGE:
            guard, sides = self._sides(frame, node)
            return self._flow(frame).entering(guard, sides.values())
        return None

    def results(self, frame: Frame, node: Message) -> tuple[Operand, ...] | None:
        """What a raised node makes; None for ordinary nodes."""
        if node.op in EXIT:
            return self._exit(frame, node)
        if node.op in MERGE:
            return self._merge(frame, node)
        if node.op in (*SWITCH, *NEXT):
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
        flow = self._flow(frame)
        inside = flow.inside.get((predicate, outcome), frozenset())
        given: dict[tuple[str, int], Operand | Link] = {
            (node.name, outcome): Link(frame, node.input[0]) for node in flow.switches[predicate]
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
        return self._walk.ask(frame, self._flow(frame).switches[name][0].input[1])

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
