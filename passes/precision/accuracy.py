"""The error that a lowering costs, as reports show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.ir.graph import Graph
from isthmus.passes.precision.compare import Comparison, LayerError


@dataclass(frozen=True)
class AccuracyReport:
    """Relative L2 errors of the outputs against f32, the worst over all samples, and the layers where error grows."""

    outputs: Mapping[str, float]
    layers: tuple[LayerError, ...]
    samples: int

    @staticmethod
    def of(reference: Graph, found: Comparison, samples: int) -> AccuracyReport:
        """The report on a comparison with the graph `reference`."""
        return AccuracyReport(found.outputs, tuple(found.worst_layers(reference)), samples)

    @property
    def error(self) -> float:
        """The worst output's error."""
        return max(self.outputs.values(), default=0.0)

    def as_dict(self) -> dict[str, object]:
        """The report in plain values."""
        layers = [layer.as_dict() for layer in self.layers]
        return {"outputs": dict(self.outputs), "layers": layers, "samples": self.samples}

    def __str__(self) -> str:
        outputs = ", ".join(f"{name} {error:.2g}" for name, error in self.outputs.items())
        layers = "".join(f"\n  {layer}" for layer in self.layers)
        return f"relative L2 error against f32 on {self.samples} samples: {outputs}; it grows most at{layers}"
