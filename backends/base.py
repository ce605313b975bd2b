"""What every backend is: which nodes it takes and why not, how a graph is made fit for it, and how it is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from isthmus.backends.options import EngineOptions
from isthmus.backends.progress import Progress, Silent
from isthmus.backends.store import Store
from isthmus.ir.errors import UnsupportedByBackend
from isthmus.ir.graph import Graph, Node
from isthmus.ir.types import Array
from isthmus.passes.decompose import decompose_where


@dataclass(frozen=True, slots=True)
class Supported:
    """The backend computes the node as its op's row says."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The backend cannot compute the node, and why."""

    reason: str


Support: TypeAlias = Supported | Refused
SUPPORTED = Supported()


Precision: TypeAlias = Literal["f32", "bf16", "f16"]
"""What a program's matrix work is computed in."""


@dataclass(frozen=True)
class BuildOptions:
    """How to build, and what to build with. What each node computes in is what its values' types say."""

    precision: Precision = "f32"
    """What matrix work was lowered to."""
    threads: int | None = None
    """How many CPU threads the engine may use, to build where it runs elsewhere; None is as many as it likes."""
    arch: str = ""
    """The processor to build for, as a target names it; "" is the one at hand."""
    engine: EngineOptions | None = None
    """Options of this backend's own kind; None is its defaults."""
    store: Store = field(default_factory=Store, compare=False)
    """Where built engines are kept, and looked for before one is built."""
    progress: Progress = field(default_factory=Silent, compare=False)


@dataclass(frozen=True, slots=True)
class PrecisionUse:
    """What an engine runs in one precision: how many of its nodes, and how long they take where that was measured."""

    nodes: int
    milliseconds: float | None = None


class Executable(Protocol):
    """A built graph. Calls from several threads take turns."""

    @property
    def info(self) -> Mapping[str, str]:
        """What the engine says of itself, for reports."""

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs in the graph's order for inputs in the graph's order.

        Inputs must have the graph's element types and fitting shapes: the caller has checked them. The arrays
        returned belong to the caller; later calls do not change them.
        """


@runtime_checkable
class Stored(Protocol):
    """An executable whose engines lie in the store it was built with, to be saved with a program."""

    @property
    def engines(self) -> tuple[str, ...]:
        """Their keys."""


@runtime_checkable
class OnDevice(Protocol):
    """An executable that takes and returns arrays in its device's memory, without copies through the host."""

    def take(self, given: Any, what: str) -> Any:
        """An input from anything that speaks DLPack, with `shape` and numpy `dtype`. BadInput for what cannot be one.

        `what` is what errors call it. DeviceUnavailable without the device.
        """

    def on_device(self, arrays: Sequence[Any], stream: int | None = None) -> Sequence[Any]:
        """Outputs for what `take` returned, in the graph's order. They speak DLPack, and are complete.

        With the device's handle of a stream, the call takes its place in that, and nobody waits.
        """


class Backend(ABC):
    """One engine that runs graphs."""

    name: ClassVar[str]
    deviations: ClassVar[Mapping[str, str]] = {}
    """Where the engine's numbers are known to differ from an op's meaning: subject -> how."""
    options: ClassVar[type[EngineOptions] | None] = None
    """The kind of options the engine takes; None where there is nothing to tell it."""

    @abstractmethod
    def supports(self, node: Node) -> Support:
        """Whether the backend takes this node, its regions aside."""

    @abstractmethod
    def build(self, graph: Graph, options: BuildOptions) -> Executable:
        """Compile a legalized graph. Raises UnsupportedByBackend, BackendFailed, BackendMissing."""

    def require_precision(self, precision: Precision, arch: str = "") -> None:  # noqa: B027 - by default no say
        """Raise DeviceUnavailable unless a program can be built here for the precision and the processor.

        BackendMissing without the engine.
        """

    def require_inputs(self, graph: Graph, options: EngineOptions | None) -> None:  # noqa: B027 - by default no say
        """Raise BadArgument where the engine must know more of the graph's inputs, or the options do not fit them."""

    def legalize(self, graph: Graph) -> bool:
        """Replace composites the backend lacks by what they are made of; says whether the graph changed."""
        return decompose_where(graph, lambda node: isinstance(self.supports(node), Refused))

    def unsupported(self, graph: Graph) -> list[tuple[Node, str]]:
        """Every node the backend refuses, inside regions too, with the reason."""
        found = [(node, self.supports(node)) for node in graph.walk()]
        return [(node, verdict.reason) for node, verdict in found if isinstance(verdict, Refused)]

    def require(self, graph: Graph) -> None:
        """Raise UnsupportedByBackend with all refused nodes unless there are none."""
        if refused := self.unsupported(graph):
            raise UnsupportedByBackend(
                f"{self.name} cannot run {len(refused)} of {sum(1 for _ in graph.walk())} nodes:\n"
                + "\n".join(f"  {node!r}{_place(node)}: {reason}" for node, reason in refused),
                where=f"@{graph.name}",
                hint="run these nodes elsewhere, or rewrite them with a pass",
            )


Condition: TypeAlias = Callable[[Node], str | None]
"""A reason to refuse a node, or None."""


def _place(node: Node) -> str:
    return f" ({node.loc})" if node.loc else ""
