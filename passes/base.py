"""What a pass is: a frozen dataclass with a name, whose fields are its options and whose docstring is its help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from isthmus.ir.graph import Graph
from isthmus.passes.precision.decisions import PrecisionSummary
from isthmus.passes.precision.profile import Sample


@dataclass
class PassContext:
    """What a pass is given beside its options, and what it tells its instruments while it runs."""

    samples: Sequence[Sample] = ()
    """Inputs to measure with."""
    fired: Counter[str] = field(default_factory=Counter)
    """Rule name -> how many times it fired."""
    precision: PrecisionSummary | None = None
    """What lowering precision came to."""


@dataclass(frozen=True)
class Pass:
    """A change to a graph that keeps its meaning.

    Options are numbers, strings, booleans or tuples of strings, and have defaults, so that pipeline text can set them.
    """

    name: ClassVar[str]
    rounds_numbers: ClassVar[bool] = False
    """Whether results may move beyond their types' tolerance: such a pass measures by itself how far."""

    def run(self, graph: Graph, ctx: PassContext) -> bool:
        """Change `graph`; return whether anything changed."""
        raise NotImplementedError
