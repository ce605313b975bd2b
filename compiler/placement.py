"""Who runs which node: all on the target's backend, or what it refuses on the reference evaluator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from isthmus.backends.base import Backend, BuildOptions, Executable, Stored
from isthmus.backends.progress import Share
from isthmus.backends.table import backend_called
from isthmus.ir.graph import Graph
from isthmus.ir.types import Array
from isthmus.passes.partition import Part, partition

Fallback: TypeAlias = Literal["error", "reference"]
"""What becomes of nodes the backend refuses."""

REFERENCE = "reference"


@dataclass(frozen=True)
class Placement:
    """Where the nodes of a program run, for its report."""

    parts: tuple[tuple[str, int], ...]
    """Backend and number of nodes of each part, in the order they run."""
    refused: Mapping[str, Counter[str]] = field(default_factory=dict)
    """Op and reason -> the source locations that run on the reference evaluator because of it, with counts."""

    def as_dict(self) -> dict[str, Any]:
        """The placement in plain dicts, lists, strings and numbers."""
        parts = [{"backend": backend, "nodes": count} for backend, count in self.parts]
        return {"parts": parts, "fallback": {why: dict(places) for why, places in self.refused.items()}}

    def __str__(self) -> str:
        parts = ", then ".join(f"{count} on {backend}" for backend, count in self.parts)
        lines = [f"nodes: {parts}"]
        for why, places in self.refused.items():
            named = ", ".join(list(places)[:3]) + (", ..." if len(places) > 3 else "")
            lines.append(f"  on {REFERENCE}: {why}: {places.total()} node(s), {named}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Partitioned:
    """Parts that run one after another and hand each other arrays."""

    steps: Sequence[tuple[Executable, tuple[int, ...], tuple[int, ...]]]
    """Each part, and in which slots its inputs lie and its outputs go."""
    inputs: int
    outputs: tuple[int, ...]
    constants: Mapping[int, Array]
    info: Mapping[str, str]

    @property
    def engines(self) -> tuple[str, ...]:
        """The keys of all parts' engines."""
        parts = (executable for executable, _, _ in self.steps)
        return tuple(key for part in parts if isinstance(part, Stored) for key in part.engines)

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs in order; they belong to the caller."""
        slots: dict[int, Array] = {**dict(enumerate(arrays)), **self.constants}
        for executable, read, written in self.steps:
            slots.update(zip(written, executable([slots[i] for i in read]), strict=True))
        own = range(self.inputs)
        return [slots[i].copy() if i in own or i in self.constants else slots[i] for i in self.outputs]


def build(graph: Graph, backend: Backend, options: BuildOptions, fallback: Fallback) -> tuple[Executable, Placement]:
    """Build a legalized graph. Raises UnsupportedByBackend for refused nodes unless they may fall back."""
    refused = dict(backend.unsupported(graph))
    if not refused or fallback == "error":
        backend.require(graph)
        return backend.build(graph, options), Placement(((backend.name, graph.op_count()),))
    holders = {node for node in graph.nodes if any(n in refused for r in node.regions.values() for n in r.walk())}
    parts = partition(graph, lambda node: REFERENCE if node in refused or node in holders else backend.name)
    reasons: dict[str, Counter[str]] = {}
    for node, reason in refused.items():
        reasons.setdefault(f"{node.op.name}: {reason}", Counter())[str(node.loc or node)] += 1
    placement = Placement(tuple((part.color, part.graph.op_count()) for part in parts), reasons)
    return _assemble(graph, parts, options), placement


def _assemble(graph: Graph, parts: Sequence[Part], options: BuildOptions) -> Partitioned:
    slots = {value: i for i, value in enumerate(graph.inputs)}
    for value in (*(v for part in parts for v in part.outputs), *graph.outputs):
        slots.setdefault(value, len(slots))
    steps = []
    for i, part in enumerate(parts):
        share = replace(options, progress=Share(options.progress, i, len(parts)))
        executable = backend_called(part.color).build(part.graph, share)
        options.progress.step(f"part {i + 1}, {part.color}", i + 1, len(parts))
        steps.append((executable, tuple(slots[v] for v in part.inputs), tuple(slots[v] for v in part.outputs)))
    constants = {slots[v]: v.array for v in graph.outputs if v.array is not None}
    told = [executable.info for (executable, _, _), part in zip(steps, parts, strict=True) if part.color != REFERENCE]
    info = _merged(told or [executable.info for executable, _, _ in steps])
    return Partitioned(steps, len(graph.inputs), tuple(slots[v] for v in graph.outputs), constants, info)


def _merged(told: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What the parts say of their engines: what is the same for all once, the rest a line each."""
    names = dict.fromkeys(name for info in told for name in info)
    return {name: "\n".join(dict.fromkeys(info[name] for info in told if name in info)) for name in names}
