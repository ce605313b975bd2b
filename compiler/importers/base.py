"""What importers of every format share: a builder that knows small values, and errors that list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Self

from isthmus.compiler.importers.known import Known
from isthmus.ir.builder import Builder, FreshSymbols
from isthmus.ir.dim import Dim
from isthmus.ir.errors import IRError, IsthmusError, MalformedModel, UnsupportedModel, UnsupportedOps
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import Array

_NAMES_SHOWN = 5


class ImportBuilder(Builder):
    """A builder that can tell what small tensors hold, because source formats compute shapes with ordinary ops."""

    def __init__(self, graph: Graph, *, fresh: FreshSymbols | None = None, known: Known | None = None) -> None:
        super().__init__(graph, fresh=fresh)
        self.known = known or Known()

    def body(self) -> Self:
        """A builder for the body of a control-flow node: a new graph, the same knowledge and symbols."""
        inner = copy(self)
        inner.graph = Graph(self.graph.name)
        return inner

    def numbers(self, value: Value) -> Array | None:
        """The contents of a small tensor if they do not depend on inputs."""
        return self.known.numbers(value)

    def sizes(self, value: Value) -> tuple[Dim, ...] | None:
        """The elements of an integer tensor as dimensions, if they depend on nothing but input shapes."""
        return self.known.dims(value)

    def integers(self, value: Value, what: str) -> tuple[int, ...]:
        """The elements of a tensor that must be constant; UnsupportedModel where it is not."""
        found = self.numbers(value)
        if found is None:
            raise UnsupportedModel(f"{what} must be constant, but is computed from inputs")
        return tuple(int(each) for each in found.reshape(-1))


@contextmanager
def blamed_on(place: str) -> Iterator[None]:
    """Let errors from inside say where in the source they belong; what the IR refuses is a malformed model."""
    try:
        yield
    except IRError as error:
        raise MalformedModel(error.reason, where=place, hint=error.hint) from error
    except IsthmusError as error:
        error.where = error.where or place
        raise


def unsupported_ops(found: Mapping[str, Sequence[str]]) -> UnsupportedOps:
    """The error that lists every op with the nodes that use it: `found` maps an op's description to node names."""
    lines = []
    for op, nodes in sorted(found.items()):
        shown = ", ".join(nodes[:_NAMES_SHOWN]) + (", ..." if len(nodes) > _NAMES_SHOWN else "")
        lines.append(f"  {op}: {len(nodes)} node{'s' if len(nodes) > 1 else ''} ({shown})")
    reason = f"{len(found)} op{'s are' if len(found) > 1 else ' is'} not supported:\n" + "\n".join(lines)
    return UnsupportedOps(reason, hint="`isthmus ops` lists what is supported")
