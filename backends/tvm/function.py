"""A graph as a function of the module."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.backends.tvm.api import relax
from isthmus.backends.tvm.bindings import Bindings, Constant, relax_type
from isthmus.backends.tvm.module import Module
from isthmus.backends.tvm.network import Network, Write
from isthmus.backends.tvm.orders import row_major
from isthmus.backends.tvm.storing import copied
from isthmus.backends.tvm.tensors import Stored, Tensor
from isthmus.ir.dim import Symbol
from isthmus.ir.graph import Graph
from isthmus.ir.types import Array


@dataclass(frozen=True)
class Function:
    """What calls it needs to know."""

    var: Any
    """The global variable."""
    constants: Mapping[Hashable, Constant]
    """What it takes last, by what they are made of."""

    @property
    def arrays(self) -> list[Array]:
        """The constants as they are passed."""
        return [each.array for each in self.constants.values()]


def define(module: Module, write: Write, graph: Graph, name: str, captured: Sequence[Symbol] = ()) -> Function:
    """Write a graph as a function of its inputs, sizes that they do not show (`captured`), and constants.

    Every result is memory of its own. Raises BackendFailed.
    """
    n = Network(module, write)
    b = n.bindings
    sizes = relax.Var("sizes", relax.ShapeType([b.sizes.bind(s) for s in captured]))
    shapes = b.sizes.declare([v.type for v in graph.inputs])
    inputs = [
        relax.Var(v.name or "x", relax_type(v.type, shape)) for v, shape in zip(graph.inputs, shapes, strict=True)
    ]
    given = [*inputs, sizes]
    module.open(given)
    tensors: list[Tensor] = [
        Stored(v.type, var, row_major(v.type.rank)) for v, var in zip(graph.inputs, inputs, strict=True)
    ]
    results = write(n, graph, tensors)
    taken = set(inputs)
    fresh = [_owned(b, n.row_major(each), taken) for each in results]
    every = [*given, *(each.var for each in b.constants.values())]
    return Function(module.close(name, every, relax.Tuple(fresh), {"num_input": len(given)}), b.constants)


def _owned(b: Bindings, result: Stored, taken: set[Any]) -> Any:
    """The variable of an output in memory that is neither an input's nor a constant's, nor another output's."""
    var = b.var(result)
    source = b.source(var)
    constants = (each.var for each in b.constants.values())
    if result.constant is not None or source in taken or any(source is each for each in constants):
        var = source = copied(b, result, row_major(result.type.rank)).var
    taken.add(source)
    return var
