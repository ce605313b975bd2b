"""The pass manager: runs passes in order, verifies and times each, dumps, and leaves a reproducer when one fails."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from isthmus.ir.errors import IsthmusError, NumbersMoved, PassError, PipelineError
from isthmus.ir.graph import Graph, Node
from isthmus.ir.verify import verify
from isthmus.passes.base import Pass, PassContext
from isthmus.passes.dumps import Dumps
from isthmus.passes.numerics import samples, worst_output
from isthmus.passes.precision.decisions import PrecisionSummary
from isthmus.passes.precision.profile import Sample
from isthmus.passes.reproducer import Reproducer, read_reproducer, write_reproducer
from isthmus.passes.spec import parse_pipeline, print_pipeline

__all__ = ["Check", "PassManager", "PassRecord", "read_reproducer"]

Check: TypeAlias = Literal["none", "structure", "full", "numerics"]
"""What follows each pass: nothing; verification of what it touched; of everything; and evaluation before and after."""


@dataclass(frozen=True)
class PassRecord:
    """What one pass did. `text` is the pass as pipeline text, `fired` how often each rule fired."""

    name: str
    text: str
    changed: bool
    seconds: float
    nodes_before: int
    nodes_after: int
    fired: Counter[str] = field(default_factory=Counter)
    precision: PrecisionSummary | None = None

    def as_dict(self) -> dict[str, Any]:
        """The record in plain dicts, strings and numbers; reports show `precision` once for all passes."""
        told = {name: value for name, value in vars(self).items() if name != "precision"}
        return {**told, "fired": dict(self.fired.most_common())}

    def __str__(self) -> str:
        fired = "".join(f"\n  {times} x {name}" for name, times in self.fired.most_common())
        return f"{self.text}: {self.nodes_before} -> {self.nodes_after} nodes in {self.seconds * 1e3:.1f} ms{fired}"


@dataclass(frozen=True)
class PassManager:
    """Runs `passes` on graphs.

    `dump_dir` receives 00-input.isth, 01-canonicalize.isth, ... and a .diff beside each; passes that change nothing
    leave no files. A failing pass leaves a reproducer, which `read_reproducer` reads, in `reproducer_dir` (by default
    `dump_dir`).
    """

    passes: Sequence[Pass]
    check: Check = "structure"
    dump_dir: Path | None = None
    reproducer_dir: Path | None = None
    samples: Sequence[Sample] = ()
    """Inputs for passes that measure."""

    def __post_init__(self) -> None:
        """PipelineError for what is no pass."""
        if not isinstance(self.passes, Sequence):
            raise PipelineError(f"passes is {self.passes!r}, no list of passes", hint="give several: [...]")
        for each in self.passes:
            _check_pass(each)

    def run(self, graph: Graph) -> list[PassRecord]:
        """Run every pass on `graph` in place. Raises PassError, or NumbersMoved with check="numerics"."""
        if self.check != "none":
            verify(graph)
        _take_touched(graph)
        dumps = None if self.dump_dir is None else Dumps(self.dump_dir, graph)
        records = []
        for i, each in enumerate(self.passes):
            record = self._run_one(each, self.passes[i + 1 :], graph)
            records.append(record)
            if dumps is not None and record.changed:
                dumps.after(each.name, graph)
        return records

    def _run_one(self, each: Pass, then: Sequence[Pass], graph: Graph) -> PassRecord:
        keep = self._reproducers is not None or self.check == "numerics"
        before = graph.copy() if keep else None
        ctx, nodes_before = PassContext(self.samples), graph.op_count()
        start = time.perf_counter()
        try:
            with _collector_paused():
                claimed = each.run(graph, ctx)
            seconds = time.perf_counter() - start
            touched = _take_touched(graph)
            self._verify(graph, touched)
            changed = claimed or bool(touched)
            if self.check == "numerics" and changed and before is not None and not each.rounds_numbers:
                _compare(each, before, graph)
        except Exception as error:
            raise self._failure(each, then, error, before) from error
        text = _text(each)
        return PassRecord(each.name, text, changed, seconds, nodes_before, graph.op_count(), ctx.fired, ctx.precision)

    @property
    def _reproducers(self) -> Path | None:
        return self.reproducer_dir or self.dump_dir

    def _verify(self, graph: Graph, touched: list[Node]) -> None:
        if self.check == "none":
            return
        verify(graph, touched if self.check == "structure" else None)

    def _failure(self, each: Pass, then: Sequence[Pass], error: Exception, before: Graph | None) -> PassError:
        text = _text(each)
        kind = type(error) if isinstance(error, PassError) else PassError
        reason = error.reason if isinstance(error, IsthmusError) else f"{type(error).__name__}: {error}"
        where = error.where if isinstance(error, IsthmusError) else ""
        hint = error.hint if isinstance(error, IsthmusError) else ""
        if self._reproducers is not None and before is not None:
            left = Reproducer(text, before, ",".join(map(_text, then)), self.check)
            path = write_reproducer(self._reproducers, left)
            hint = f"{hint}; " * bool(hint) + _how_to_replay(each, path)
        return kind(f"pass {text!r} failed: {reason}", where=where, hint=hint)


def _check_pass(each: object) -> None:
    if isinstance(each, type) and issubclass(each, Pass):
        raise PipelineError(f"{each.__name__} is a class of passes, not a pass", hint=f"{each.__name__}()")
    if not isinstance(each, Pass):
        raise PipelineError(f"{each!r} is no Pass", hint="passes are made in Python, or by parse_pipeline from text")
    if not isinstance(getattr(each, "name", None), str):
        raise PipelineError(f"{type(each).__name__} has no name", hint='name: ClassVar[str] = "..."')


def _text(each: Pass) -> str:
    """The pass as pipeline text; its name alone where a user's class has options that cannot be read."""
    try:
        return print_pipeline((each,))
    except Exception:  # whatever a user's class raises here must not hide the failure being told
        return each.name


def _how_to_replay(each: Pass, path: Path) -> str:
    """Text replays only what it spells: neither rules written in Python nor classes the pass table does not know."""
    try:
        spelled = parse_pipeline(_text(each)) == (each,)
    except Exception:  # bad text, or options whose comparison raises: either way text does not replay it
        spelled = False
    if spelled:
        return f"replay it with `isthmus opt {path}`"
    return f"replay it in Python: PassManager([the same pass]).run(read_reproducer({str(path)!r}).graph)"


def _compare(each: Pass, before: Graph, after: Graph) -> None:
    for inputs in samples(before):
        if (moved := worst_output(before, after, inputs)) is not None:
            name, error = moved
            raise NumbersMoved(f"{each.name} moves output {name!r} by {error:.3g} (relative L2 error)")


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: a large graph is one web of references, walked again and again for nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _take_touched(graph: Graph) -> list[Node]:
    """What was touched, with every node that holds regions: verifying such a node verifies what is inside."""
    touched = dict.fromkeys(graph.take_touched())
    for node in graph.nodes:
        for region in node.regions.values():
            if _take_touched(region):
                touched[node] = None
    return list(touched)
