"""The walk over a model: from the tensors that are asked for back to the inputs, through calls, to lowerings.

What nobody asks for is never looked at: training ops, savers, assertions, summaries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.compiler.importers.base import blamed_on
from isthmus.compiler.importers.lowering import LoweringTable
from isthmus.compiler.importers.tensorflow.applying import lowered
from isthmus.compiler.importers.tensorflow.atrous import Whole
from isthmus.compiler.importers.tensorflow.attributes import decoded
from isthmus.compiler.importers.tensorflow.frame import Frame, Function, Link, Place
from isthmus.compiler.importers.tensorflow.loader import TensorFlowModel
from isthmus.compiler.importers.tensorflow.operands import Operand, Poison
from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.compiler.importers.tensorflow.scope import Scope
from isthmus.compiler.importers.tensorflow.source import parse_ref
from isthmus.compiler.importers.tensorflow.switches import Switches
from isthmus.ir.errors import MalformedModel, UnsupportedModel
from isthmus.ir.graph import Value

NODES_PER_SOURCE_NODE = 20
EXTRA_NODES = 100_000
"""Functions that call functions may grow a model at most this much."""
MAX_DEPTH = 32
"""How deeply calls and control flow may nest."""
_LONGEST_CHAIN = 10_000

_CALLS = ("PartitionedCall", "StatefulPartitionedCall", "SymbolicGradient", "RemoteCall")
_SAME = (
    "Identity",
    "StopGradient",
    "PreventGradient",
    "Snapshot",
    "CheckNumerics",
    "CheckNumericsV2",
    "Enter",
    "RefEnter",
    "RefIdentity",
    "EnsureShape",
    "LoopCond",
    "DisableCopyOnRead",
    "DebugIdentityV2",
    "Print",
    "XlaSharding",
)


class Walk:
    """One import: what all its frames share."""

    def __init__(self, model: TensorFlowModel, table: LoweringTable, main: Frame) -> None:
        self.model = model
        self.main = main
        self.table = table
        self._left = EXTRA_NODES + NODES_PER_SOURCE_NODE * model.graph.node_count
        self.wholes: dict[Value, Whole] = {}
        """What tensors in blocks come from."""
        self._switches = Switches(self)
        self._depth = 0

    # -- asking ----------------------------------------------------------------------------------------------------

    def ask(self, frame: Frame, text: str) -> Operand:
        """The tensor that `text` names in the frame."""
        if self._depth > MAX_DEPTH:
            raise UnsupportedModel(f"control flow nests more than {MAX_DEPTH} deep")
        goal = self.locate(frame, text)
        if isinstance(goal, Place):
            self._depth += 1
            self._make(goal)
            self._depth -= 1
        return self._found(goal)

    def locate(self, frame: Frame, text: str) -> Operand | Place:
        """Where a tensor is made: past arguments, calls and ops that only pass it on."""
        for _ in range(_LONGEST_CHAIN):
            ref = parse_ref(text)
            node = frame.body.nodes.get(ref.node)
            given: Operand | Place | Link
            if node is None:
                if ref.node not in frame.body.arguments or not frame.arguments:
                    raise MalformedModel(f"tensor {text!r} is used but nothing makes it", where=_where(frame))
                given = frame.arguments[frame.body.arguments[ref.node]]
            else:
                key = ref.node, frame.body.index(ref)
                if key in frame.given:
                    given = frame.given[key]
                elif frame.inside is not None and ref.node not in frame.inside:
                    assert frame.outer is not None
                    frame = frame.outer
                    continue
                else:
                    given = self._through(frame, node, key[1])
            if not isinstance(given, Link):
                return given
            frame, text = given
        raise MalformedModel(f"{text!r} depends on itself", where=_where(frame))

    def _through(self, frame: Frame, node: Message, index: int) -> Link | Place:
        if node.op in _SAME and node.input:
            return Link(frame, node.input[0])
        if node.op == "IdentityN" and index < len(node.input):
            return Link(frame, node.input[index])
        if node.op in _CALLS and "f" in node.attr:
            inner = self.called_by(frame, node)
            if index >= len(inner.body.results):
                raise MalformedModel(f"{node.name!r} calls {inner.body.name!r}, which has no result {index}")
            return Link(inner, inner.body.results[index])
        return Place(frame, node.name, index)

    # -- calls -----------------------------------------------------------------------------------------------------

    def called(self, function: Function, scope: Scope, operands: Sequence[Operand], what: str) -> tuple[Operand, ...]:
        """What a function yields for operands, read into `scope`."""
        path = f"{function.frame.path}{what}/"
        frame = self._frame(function.frame, function.name, function.attributes, operands, scope, path)
        return tuple(scope.admit(self.ask(frame, text)) for text in frame.body.results)

    def traced(self, function: Function, operands: Sequence[Operand]) -> tuple[Operand | Place, ...]:
        """Where a function's results come from, for operands that merely mark its arguments."""
        frame = self._frame(function.frame, function.name, function.attributes, operands, function.frame.scope, "")
        return tuple(self.locate(frame, text) for text in frame.body.results)

    def called_by(self, frame: Frame, node: Message) -> Frame:
        """The frame in which the function that a node calls is read."""
        if node.name not in frame.inner:
            func = node.attr["f"].func
            links = [Link(frame, text) for text in data_inputs(node)]
            attributes = {name: decoded(value, frame, self) for name, value in func.attr.items()}
            path = f"{frame.path}{node.name}/"
            frame.inner[node.name] = self._frame(frame, func.name, attributes, links, frame.scope, path)
        return frame.inner[node.name]

    def _frame(
        self,
        caller: Frame,
        name: str,
        attributes: Mapping[str, Any],
        arguments: Sequence[Operand | Link],
        scope: Scope,
        path: str,
    ) -> Frame:
        self._spend()
        if name in caller.calls:
            raise MalformedModel(f"function {name!r} calls itself", where=f"tensorflow:{path}")
        if len(caller.calls) >= MAX_DEPTH:
            raise UnsupportedModel(f"functions nest more than {MAX_DEPTH} deep", where=f"tensorflow:{path}")
        body = self.model.graph.function(name)
        if len(arguments) != len(body.arguments):
            raise MalformedModel(f"function {name!r} takes {len(body.arguments)} arguments, not {len(arguments)}")
        return Frame(body, scope, path, arguments, attributes, (*caller.calls, name))

    # -- making ----------------------------------------------------------------------------------------------------

    def _make(self, goal: Place) -> None:
        """Lower the node that makes `goal` after all that it needs."""
        pending, open_ = [goal], set()
        while pending:
            frame, name, _ = top = pending[-1]
            if name in frame.results:
                pending.pop()
                continue
            node = frame.body.nodes[name]
            with blamed_on(f"tensorflow:{frame.path}{name} ({node.op})"):
                if (frame, name) not in open_:
                    open_.add((frame, name))
                    waiting = [p for p in self._needs(frame, node) if p.node not in p.frame.results]
                    if any((p.frame, p.node) in open_ for p in waiting):
                        raise MalformedModel(f"{name!r} depends on itself")
                    if waiting:
                        pending += waiting
                        continue
                frame.results[name] = self._results(frame, node)
            open_.discard((frame, name))
            assert pending[-1] == top
            pending.pop()

    def _needs(self, frame: Frame, node: Message) -> list[Place]:
        texts = self._switches.needs(frame, node)
        found = [self.locate(frame, text) for text in (data_inputs(node) if texts is None else texts)]
        return [place for place in found if isinstance(place, Place)]

    def _found(self, goal: Operand | Place) -> Operand:
        if not isinstance(goal, Place):
            return goal
        results = goal.frame.results[goal.node]
        if len(results) == 1 and isinstance(results[0], Poison):
            return results[0]
        if goal.output >= len(results):
            raise UnsupportedModel(f"output {goal.output} of {goal.node!r} is not supported", where=_where(goal.frame))
        return results[goal.output]

    def _results(self, frame: Frame, node: Message) -> tuple[Operand, ...]:
        self._spend()
        raised = self._switches.results(frame, node)
        if raised is not None:
            return raised
        path = f"{frame.path}{node.name}"
        lowering = self.table.find(node.op, 1)
        operands = [self._found(self.locate(frame, text)) for text in data_inputs(node)]
        poisons = [x for x in operands if isinstance(x, Poison)]
        if lowering is None or poisons:
            own = [(node.op, path)] if lowering is None else []
            return (Poison(tuple(dict.fromkeys([*(c for p in poisons for c in p.causes), *own]))),)
        return lowered(lowering, self, frame, node, [frame.scope.admit(x) for x in operands])

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise UnsupportedModel("the model's functions expand to too many nodes")


def data_inputs(node: Message) -> list[str]:
    """The node's inputs without those that only say what must run before."""
    return [text for text in node.input if not text.startswith("^")]


def _where(frame: Frame) -> str:
    return f"tensorflow:{frame.path}" if frame.path else ""
