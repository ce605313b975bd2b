"""Why a node stays in f32: what a pass records and a report shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from isthmus.ir.graph import Node
from isthmus.passes.precision.accuracy import AccuracyReport


@dataclass(frozen=True)
class PrecisionDecision:
    """A node, told by its op, its first result's name and its source location, kept in `dtype`, and the reason."""

    op: str
    name: str
    loc: str
    dtype: str
    reason: str

    @staticmethod
    def about(node: Node, dtype: str, reason: str) -> PrecisionDecision:
        """The decision about a node of a graph."""
        name = node.results[0].name if node.results else ""
        return PrecisionDecision(node.op.name, name, "" if node.loc is None else str(node.loc), dtype, reason)

    def as_dict(self) -> dict[str, str]:
        """The decision in plain strings."""
        return dict(vars(self))

    def __str__(self) -> str:
        place = f" ({self.loc})" if self.loc else ""
        return f"%{self.name or '_'} = {self.op}{place} stays {self.dtype}: {self.reason}"


@dataclass(frozen=True)
class PrecisionSummary:
    """What a lowering came to: how many nodes compute in which type, how many casts that took, and why some stay."""

    dtype: str
    lowered: int
    kept: tuple[PrecisionDecision, ...]
    casts: int
    masks: tuple[str, ...] = ()
    """Nodes whose additive mask ends at a finite number of the narrow type, instead of at one only f32 has."""
    accuracy: AccuracyReport | None = None
    """The error, where samples were run."""

    def reasons(self) -> list[tuple[int, str, str]]:
        """(how many, op, reason) for the nodes kept, the commonest first."""
        return grouped(self.kept)

    def as_dict(self) -> dict[str, object]:
        """The summary in plain values."""
        kept = [each.as_dict() for each in self.kept]
        counts = {"dtype": self.dtype, "lowered": self.lowered, "casts": self.casts, "masks": list(self.masks)}
        return {**counts, "kept": kept, "accuracy": None if self.accuracy is None else self.accuracy.as_dict()}

    def __str__(self) -> str:
        head = f"{self.lowered} nodes in {self.dtype}, {len(self.kept)} kept in f32, {self.casts} casts"
        kept = [f"  {count} x {op}: {reason}" for count, op, reason in self.reasons()]
        masks = [f"  masks end at a finite number of {self.dtype} in {len(self.masks)} nodes"] if self.masks else []
        return "\n".join([head, *kept, *masks, *([] if self.accuracy is None else [str(self.accuracy)])])


def grouped(decisions: Iterable[PrecisionDecision]) -> list[tuple[int, str, str]]:
    """(how many, op, reason), the commonest first; numbers in reasons differ and are told by the first."""
    found: Counter[tuple[str, str]] = Counter()
    shown: dict[tuple[str, str], str] = {}
    for each in decisions:
        key = (each.op, _without_numbers(each.reason))
        found[key] += 1
        shown.setdefault(key, each.reason)
    return [(count, key[0], shown[key]) for key, count in found.most_common()]


def _without_numbers(text: str) -> str:
    return "".join("#" if c.isdigit() else c for c in text if c not in ".e+-")
