"""What the control-flow nodes of TensorFlow 1 belong to: which outcome a node waits for, which nodes make a loop.

A node is guarded by a predicate's outcome if all that it uses, or must wait for, is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.compiler.importers.tensorflow.source import Body, Ref, parse_ref

SWITCH = ("Switch", "RefSwitch")
MERGE = ("Merge", "RefMerge")
ENTER = ("Enter", "RefEnter")
NEXT = ("NextIteration", "RefNextIteration")
EXIT = ("Exit", "RefExit")
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
            if node.op in ENTER:
                by_frame.setdefault(_frame_name(node), []).append(name)
            elif node.op in MERGE:
                for ref in sources:
                    if ref.node in self._nodes and self._nodes[ref.node].op in ENTER:
                        merges[ref.node] = name
            elif node.op in SWITCH and sources:
                switches[sources[0].node] = name
            elif node.op in EXIT and sources:
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
            if node.op in MERGE
            and any(self._op(parse_ref(text).node) in (*ENTER, *NEXT) for text in node.input if text[:1] != "^")
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
            if node.op in MERGE:
                found[name] = frozenset.intersection(*each) if each else frozenset()
            else:
                found[name] = frozenset().union(*each)
            pending.pop()
        return found

    @cached_property
    def inside(self) -> dict[Guard, frozenset[str]]:
        """The nodes that wait for each outcome."""
        found: dict[Guard, list[str]] = {}
        for name, guards in self.guards.items():
            for guard in guards:
                found.setdefault(guard, []).append(name)
        return {guard: frozenset(names) for guard, names in found.items()}

    @cached_property
    def switches(self) -> dict[str, list[Message]]:
        """The switches that each predicate decides."""
        found: dict[str, list[Message]] = {}
        for node in self._nodes.values():
            if node.op in SWITCH and len(node.input) > 1:
                found.setdefault(self.predicate(node), []).append(node)
        return found

    def of(self, found: dict[str, frozenset[Guard]], name: str, output: int) -> frozenset[Guard]:
        """The guards of one output of a node: a switch adds its own."""
        own = found.get(name, frozenset())
        node = self._nodes.get(name)
        if node is None or node.op not in SWITCH or len(node.input) < 2:
            return own
        return own | {(self.predicate(node), output)}

    def entering(self, predicate: str, ends: Iterable[str]) -> list[str]:
        """The tensors from outside that branches on a predicate use, if they yield `ends`; first the predicate itself.

        Branches one after another are so made one after another: they do not count as nested.
        """
        found: dict[str, None] = {}
        pending = list(ends)
        seen: set[str] = set()
        while pending:
            ref = parse_ref(text := pending.pop())
            node = self._nodes.get(ref.node)
            if node is not None and node.op in SWITCH and len(node.input) > 1 and self.predicate(node) == predicate:
                found |= dict.fromkeys((node.input[1], node.input[0]))
            elif node is None or all(guard != predicate for guard, _ in self.guards[ref.node]):
                found[text] = None
            elif ref.node not in seen:
                seen.add(ref.node)
                pending += (text for text in node.input if not text.startswith("^"))
        return list(found)

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
            return [s for s in sources if self._op(s.node) in ENTER]
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
            texts = [t for t in self._nodes[merges[enter]].input if self._op(parse_ref(t).node) in NEXT]
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


def _frame_name(node: Message) -> str:
    return node.attr["frame_name"].s.decode(errors="replace") if "frame_name" in node.attr else ""
