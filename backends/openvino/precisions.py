"""What the plugin really computes in: its compiled graph, held against the types the IR promised."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.backends.base import PrecisionUse
from isthmus.ir.errors import BackendFailed
from isthmus.ir.graph import Node
from isthmus.ir.types import DTYPES, DType

_PRODUCTS = frozenset(("Convolution", "Deconvolution", "FullyConnected", "MatMul", "ScaledDotProductAttention"))
_KERNELS = frozenset(("Subgraph",))
"""Several nodes in one kernel, called after the precision it takes in; inside, each computes as it is typed."""
_MATRIX_OPS = frozenset(("conv", "conv_transpose", "matmul", "linear", "einsum", "attention"))
_EDGES = frozenset(("Input", "Output", "Const"))
_BETWEEN = frozenset(("Convert", "Reorder"))
"""Stand between precisions, so that they break none."""
_FLOATS = frozenset(name for name, dtype in DTYPES.items() if dtype.is_float)


@dataclass(frozen=True)
class Computed:
    """One node of the compiled graph, and the IR nodes that went into it."""

    name: str
    kind: str
    precision: str
    sources: tuple[Node, ...]

    @property
    def expected(self) -> DType | None:
        """What the IR types it: the operands of a matrix product if one is in it, else all results alike."""
        for node in self.sources:
            if node.op.name in _MATRIX_OPS:
                return node.inputs[0].dtype
        if any(node.op.name == "cast" for node in self.sources):
            return None
        types = {r.dtype for node in self.sources for r in node.results if r.dtype.is_float}
        return types.pop() if len(types) == 1 else None

    @property
    def is_product(self) -> bool:
        """Whether matrix work is done in it."""
        return self.kind in _PRODUCTS or (
            self.kind in _KERNELS and any(node.op.name in _MATRIX_OPS for node in self.sources)
        )

    def __str__(self) -> str:
        places = ", ".join(dict.fromkeys(f"{node!r}{f' ({node.loc})' if node.loc else ''}" for node in self.sources))
        return f"{self.kind} {places or self.name}"


@dataclass(frozen=True)
class Survey:
    """Every node that runs at a call."""

    nodes: Sequence[Computed]

    def counts(self) -> dict[str, PrecisionUse]:
        """Precision -> how many nodes, the commonest first."""
        return {name: PrecisionUse(count) for name, count in Counter(n.precision for n in self.nodes).most_common()}

    def times(self, milliseconds: Mapping[str, float]) -> dict[str, PrecisionUse]:
        """The same with times, from the time of each node by name."""
        total: dict[str, float] = defaultdict(float)
        for node in self.nodes:
            total[node.precision] += milliseconds.get(node.name, 0.0)
        return {name: PrecisionUse(use.nodes, total[name]) for name, use in self.counts().items()}

    def differences(self) -> list[tuple[Computed, DType]]:
        """Nodes computed in another floating-point type than the IR gives them."""
        found = []
        for node in self.nodes:
            expected = node.expected
            if expected is None or node.kind in _BETWEEN or node.precision not in _FLOATS:
                continue
            if node.kind in _KERNELS and not (node.is_product and node.precision == "f32"):
                continue
            if node.precision != expected.name:
                found.append((node, expected))
        return found

    def require(self, graph: str) -> None:
        """BackendFailed if matrix work that was lowered is computed in a wider type after all."""
        broken = [(n, t) for n, t in self.differences() if n.is_product and t.bits < DTYPES[n.precision].bits]
        if broken:
            raise BackendFailed(
                f"OpenVINO computes {len(broken)} node(s) in another precision than they have:\n"
                + "\n".join(f"  {node} in {node.precision} instead of {expected}" for node, expected in broken),
                where=f"@{graph}",
                hint="keep them high with lower-precision{keep=[...]}, by op or by the name of a result",
            )

    def notes(self) -> list[str]:
        """The differences in words."""
        return [f"{node}: computed in {node.precision}, typed {expected}" for node, expected in self.differences()]


def survey(compiled: Any, sources: Mapping[str, Node]) -> Survey:
    """Look at a compiled network. `sources` tells which IR node each name was given for."""
    return Survey(tuple(_running(compiled.get_runtime_model().get_ordered_ops(), sources)))


def _running(ops: Sequence[Any], sources: Mapping[str, Node]) -> Iterator[Computed]:
    """Nodes that depend on an input: what is made of constants alone was made when compiling."""
    fixed: set[str] = set()
    for op in ops:
        info = op.get_rt_info()
        kind, inputs = str(info["layerType"].value), op.input_values()
        if kind == "Const" or (inputs and all(each.get_node().get_name() in fixed for each in inputs)):
            fixed.add(op.get_name())
            continue
        if kind in _EDGES:
            continue
        names = str(info["originalLayersNames"].value).split(",")
        found = tuple(dict.fromkeys(sources[name] for name in names if name in sources))
        yield Computed(op.get_friendly_name(), kind, str(info["runtimePrecision"].value), found)
