"""What compile did: stages with their times, passes with what they changed, and the engine that runs the result."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from isthmus.compiler.placement import Placement
from isthmus.ir.graph import Graph
from isthmus.passes.manager import PassRecord
from isthmus.passes.precision.accuracy import AccuracyReport
from isthmus.passes.precision.decisions import PrecisionSummary


@dataclass
class Report:
    """Grows while compile runs; `str(report)` is a table, `as_dict()` is for `--json`."""

    model: str
    target: str
    stages: dict[str, float] = field(default_factory=dict)
    """Stage -> seconds."""
    passes: Sequence[PassRecord] = ()
    nodes_imported: int = 0
    """Nodes that compute something, after import."""
    nodes_built: int = 0
    """The same, as handed to the backend."""
    ops: Counter[str] = field(default_factory=Counter)
    """Op name -> how often it stands in the graph handed to the backend, regions included."""
    parameter_bytes: int = 0
    """Size of all constants in the graph handed to the backend."""
    placement: Placement | None = None
    """Which backend runs how many nodes, and why some fall back."""
    accuracy: AccuracyReport | None = None
    """The error against f32, where a bound was asked for."""
    engine: Mapping[str, str] = field(default_factory=dict)

    @property
    def precision(self) -> PrecisionSummary | None:
        """What lowering precision came to, and every node kept in f32 with its reason; None where nothing lowered."""
        return next((record.precision for record in reversed(self.passes) if record.precision is not None), None)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as a stage."""
        start = time.perf_counter()
        yield
        self.stages[name] = time.perf_counter() - start

    def describe(self, graph: Graph) -> None:
        """Record what is handed to the backend."""
        nodes = list(graph.walk())
        constants = {id(n.attrs["data"]): n.attrs["data"] for n in nodes if n.op.name == "const"}
        self.nodes_built = graph.op_count()
        self.ops = Counter(n.op.name for n in nodes if n.op.name != "const")
        self.parameter_bytes = sum(int(c.type.nbytes()) for c in constants.values())

    def as_dict(self) -> dict[str, Any]:
        """Everything in plain dicts, lists, strings and numbers."""
        return {
            "model": self.model,
            "target": self.target,
            "seconds": self.stages,
            "nodes": {"imported": self.nodes_imported, "built": self.nodes_built},
            "parameter_bytes": self.parameter_bytes,
            "ops": dict(self.ops.most_common()),
            "passes": [record.as_dict() for record in self.passes],
            "placement": None if self.placement is None else self.placement.as_dict(),
            "precision": None if self.precision is None else self.precision.as_dict(),
            "accuracy": None if self.accuracy is None else self.accuracy.as_dict(),
            "engine": dict(self.engine),
        }

    def __str__(self) -> str:
        from rich.console import Console

        out = Console(file=StringIO(), width=110)
        out.print(*self.__rich__(), sep="\n")
        text = out.file.getvalue()  # type: ignore[attr-defined]
        return str(text).rstrip("\n")

    def __rich__(self) -> list[Any]:
        """The report as rich renderables: a headline and a table of passes."""
        from rich.table import Table
        from rich.text import Text

        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.stages.items())
        head = (
            f"{self.model} for {self.target}: {self.nodes_imported} nodes imported, {self.nodes_built} built, "
            f"{self.parameter_bytes / 1e6:.1f} MB of constants\n{times}"
        )
        table = Table("pass", "ms", "nodes before", "after", "rules fired")
        for record in self.passes:
            fired = "\n".join(f"{count} x {name}" for name, count in record.fired.most_common())
            before, after = str(record.nodes_before), str(record.nodes_after)
            table.add_row(record.text, f"{record.seconds * 1e3:.1f}", before, after, fired)
        told = [str(each) for each in (self.precision, self.placement) if each is not None]
        engine = [f"{name}:{_aligned(text)}" for name, text in self.engine.items()]
        return [Text(head), table, *map(Text, (*told, *engine))]


def _aligned(text: str) -> str:
    """As it is on one line; several lines below each other, indented."""
    lines = text.splitlines()
    return f" {text}" if len(lines) < 2 else "".join(f"\n  {line}" for line in lines)
