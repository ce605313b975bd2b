"""Building a graph for a GPU: written by the same emissions as for the CPU, spread over threads, compiled by nvcc."""

from __future__ import annotations

from typing import Any

from isthmus.backends.base import BuildOptions
from isthmus.backends.tvm.cuda.arch import arch_called
from isthmus.backends.tvm.cuda.execution import Execution
from isthmus.backends.tvm.cuda.kernels.table import generator_for
from isthmus.backends.tvm.cuda.library import library
from isthmus.backends.tvm.cuda.limits import refusal
from isthmus.backends.tvm.function import define
from isthmus.backends.tvm.kernels import Machine
from isthmus.backends.tvm.library import engine
from isthmus.backends.tvm.module import Module
from isthmus.backends.tvm.write import write_nodes
from isthmus.ir.errors import UnsupportedByBackend
from isthmus.ir.graph import Graph
from isthmus.ir.types import Array
from isthmus.passes.decompose import decompose_where
from isthmus.passes.fold import fold_node

LANES = 16
"""Elements of a vector in the default kernels, half a warp."""


def build(graph: Graph, options: BuildOptions) -> Execution:
    """A graph of what TVM takes, for the architecture that the options name.

    Raises what `library` raises, and UnsupportedByBackend.
    """
    arch = arch_called(options.arch)
    graph = legalized(graph)
    module, constants = written(graph)
    entry = library(module, arch.name, options)
    facts = entry.facts
    info = {
        "engine": f"TVM for {arch.name}",
        "kernels": f"{facts['functions']} in {facts['grids']} launches, {facts['spread']} of them by the default path",
        "library": f"{entry.file.stat().st_size / 1e6:.1f} MB, built in {sum(facts['seconds'].values()):.1f} s",
    }
    inputs, outputs = [v.type for v in graph.inputs], [v.type for v in graph.outputs]
    return Execution(entry, inputs, outputs, constants, arch.name, info, options.store)


def legalized(graph: Graph) -> Graph:
    """The graph without what has kernels for the CPU only.

    Raises UnsupportedByBackend with all nodes that cannot run on a GPU, unless there are none.
    """
    legal = graph.copy()
    if decompose_where(legal, lambda node: refusal(node) is not None):
        for node in legal.nodes:
            fold_node(legal, node)
    _require(legal)
    return legal


def written(graph: Graph) -> tuple[Any, list[Array]]:
    """The Relax module of a graph, and the constants that `main` takes after its inputs."""
    engine()
    module = Module(Machine(LANES, 0, 1, frozenset()), generator_for)
    constants = define(module, write_nodes, graph, "main").arrays
    return module.finish(), constants


def _require(graph: Graph) -> None:
    refused = [(node, reason) for node in graph.walk() if (reason := refusal(node)) is not None]
    if refused:
        raise UnsupportedByBackend(
            "TVM's kernels for CUDA cannot run:\n" + "\n".join(f"  {node!r}: {reason}" for node, reason in refused),
            where=f"@{graph.name}",
            hint="compile for cpu-fp32@tvm, or for a GPU through TensorRT",
        )
