"""How far a lowered graph's values are from those of the f32 graph it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.types import Array
from isthmus.passes.numerics import relative_error
from isthmus.passes.precision.profile import Profile, Sample, holes, picked

_ROUNDING = 2.0**-11


@dataclass(frozen=True)
class LayerError:
    """A layer's relative L2 error, and how many times that is the largest error among what it takes."""

    op: str
    name: str
    loc: str
    error: float
    growth: float

    def as_dict(self) -> dict[str, object]:
        """The layer in plain values."""
        return dict(vars(self))

    def __str__(self) -> str:
        place = f" ({self.loc})" if self.loc else ""
        return f"%{self.name or '_'} = {self.op}{place}: error {self.error:.2g}, {self.growth:.3g} x its operands'"


@dataclass
class Comparison:
    """Errors against a profile of the reference, keyed by the reference's own values."""

    outputs: dict[str, float] = field(default_factory=dict)
    """Relative L2 error of each output, the worst over all samples; infinite where NaN or infinities are new."""
    errors: dict[Value, float] = field(default_factory=dict)
    """The same for every floating-point value, by a few of its elements."""
    broken: set[Value] = field(default_factory=set)
    """Values with more infinities and NaN than the reference has."""

    @property
    def error(self) -> float:
        """The worst output's error."""
        return max(self.outputs.values(), default=0.0)

    def growth(self, node: Node) -> float:
        """How many times the error of its operands a node's result has; none counts as rounding to f16."""
        return self.made(node) / max(self.taken(node), _ROUNDING)

    def made(self, node: Node) -> float:
        """The worst error of the node's results."""
        return max((self.errors.get(r, 0.0) for r in node.results), default=0.0)

    def taken(self, node: Node) -> float:
        """The worst error of the node's operands."""
        return max((self.errors.get(v, 0.0) for v in node.inputs if v.constant is None), default=0.0)

    def worst_layers(self, graph: Graph, count: int = 5) -> list[LayerError]:
        """The layers of the reference graph at which the error grows most."""
        added = [(self.made(n) - self.taken(n), i, n) for i, n in enumerate(graph.walk()) if n.op.name != "const"]
        worst = sorted((each for each in added if each[0] > 0), key=lambda each: (-each[0], each[1]))[:count]
        return [
            LayerError(
                n.op.name, n.results[0].name, str(n.loc) if n.loc else "", self.made(n), round(self.growth(n), 2)
            )
            for _, _, n in worst
        ]


def compare(
    reference: Profile, lowered: Graph, samples: Sequence[Sample], originals: Mapping[Value, Value]
) -> Comparison:
    """Run `lowered` on the samples the reference was profiled with. `originals` leads to the reference's values."""
    found = Comparison()
    squares: dict[Value, tuple[float, float]] = {}
    seen: dict[Value, int] = {}
    new_holes: dict[Value, int] = {}

    def observe(value: Value, array: Array) -> None:
        original = originals.get(value)
        if original is None or not value.dtype.is_float:
            return
        i = seen.get(original, 0)
        seen[original] = i + 1
        if i >= len(wanted := reference.picks[original]):
            return
        new_holes[original] = new_holes.get(original, 0) + holes(array)
        squares[original] = _added(squares.get(original, (0.0, 0.0)), picked(array), wanted[i])

    for sample, wanted_outputs in zip(samples, reference.outputs, strict=True):
        outputs = evaluate(lowered, sample, observe=observe)
        for name, wanted in wanted_outputs.items():
            error = relative_error(outputs[name], wanted)
            found.outputs[name] = max(found.outputs.get(name, 0.0), error)
    found.broken = {value for value, count in new_holes.items() if count > reference.holes[value]}
    found.errors = {value: float(np.sqrt(off / norm)) if norm else 0.0 for value, (off, norm) in squares.items()}
    found.errors.update(dict.fromkeys(found.broken, np.inf))
    return found


def _added(total: tuple[float, float], got: Array, wanted: Array) -> tuple[float, float]:
    """Squared error and squared norm, over the elements that are finite on both sides."""
    if got.shape != wanted.shape:
        return total
    kept = np.isfinite(got) & np.isfinite(wanted) & (np.abs(wanted) < 1e30)
    x, y = got[kept].astype(np.float64), wanted[kept].astype(np.float64)
    return total[0] + float(np.sum((x - y) ** 2)), total[1] + float(np.sum(y**2))
