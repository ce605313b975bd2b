"""A model's graphs as they are written: nodes by name, functions, what names like `^a`, `a:1` and `a:out:0` mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.ir.errors import MalformedModel

_OUTPUTS: dict[str, tuple[str, ...]] = {
    "BatchFunction": ("out_tensors",),
    "BlockLSTM": ("i", "cs", "f", "o", "ci", "co", "h"),
    "BlockLSTMV2": ("i", "cs", "f", "o", "ci", "co", "h"),
    "CombinedNonMaxSuppression": ("nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"),
    "FusedBatchNorm": ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"),
    "FusedBatchNormV2": ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"),
    "FusedBatchNormV3": ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3"),
    "GRUBlockCell": ("r", "u", "c", "h"),
    "LSTMBlockCell": ("i", "cs", "f", "o", "ci", "co", "h"),
    "MaxPoolWithArgmax": ("output", "argmax"),
    "Merge": ("output", "value_index"),
    "NonMaxSuppressionV4": ("selected_indices", "valid_outputs"),
    "NonMaxSuppressionV5": ("selected_indices", "selected_scores", "valid_outputs"),
    "Switch": ("output_false", "output_true"),
    "TensorArrayV3": ("handle", "flow"),
    "TensorListConcat": ("tensor", "lengths"),
    "TensorListConcatV2": ("tensor", "lengths"),
    "TensorListPopBack": ("output_handle", "tensor"),
    "TopK": ("values", "indices"),
    "TopKV2": ("values", "indices"),
    "Unique": ("y", "idx"),
    "UniqueV2": ("y", "idx"),
    "UniqueWithCounts": ("y", "idx", "count"),
}
"""The outputs of ops that have several, each of which is one tensor. What ops list within one output counts from 0."""


_INPUTS = {
    **dict.fromkeys(("Switch", "RefSwitch"), 2),
    **dict.fromkeys(("Enter", "RefEnter", "Exit", "RefExit", "NextIteration", "RefNextIteration", "LoopCond"), 1),
    **dict.fromkeys(("Identity", "RefIdentity"), 1),
}
"""How many inputs nodes must have where the control flow of TensorFlow 1 is read as a whole."""


class Ref(NamedTuple):
    """One output of a node."""

    node: str
    output: str
    """The output's name, in functions; "" in graphs."""
    number: int


def parse_ref(text: str) -> Ref:
    """`a`, `a:1`, or in functions `a:out:0`. MalformedModel for anything else."""
    name, *rest = text.split(":")
    if len(rest) > 2 or (rest and not (rest[-1].isascii() and rest[-1].isdigit() and len(rest[-1]) < 7)):
        raise MalformedModel(f"{text[:80]!r} names no tensor", hint="write NODE or NODE:OUTPUT")
    return Ref(name, rest[0] if len(rest) == 2 else "", int(rest[-1]) if rest else 0)


@dataclass(frozen=True, eq=False)
class Body:
    """The nodes of the main graph, or of a function."""

    name: str
    nodes: Mapping[str, Message]
    arguments: Mapping[str, int]
    """For functions, the position of each argument by name."""
    results: tuple[str, ...]
    """For functions, what each result is, in order."""
    effects: tuple[str, ...] = ()
    """For functions, the nodes that run whatever is asked for."""

    def index(self, ref: Ref) -> int:
        """Which output of its node `ref` means. MalformedModel where the node has no such output."""
        if not ref.output:
            return ref.number
        names = _OUTPUTS.get(self.nodes[ref.node].op)
        if names is None:
            return ref.number
        if ref.output not in names:
            raise MalformedModel(f"node {ref.node!r} has no output {ref.output!r}")
        return names.index(ref.output) + ref.number

    @cached_property
    def merges(self) -> bool:
        """Whether the body has the control flow of TensorFlow 1."""
        return any(node.op in ("Merge", "RefMerge") for node in self.nodes.values())


class SourceGraph:
    """A GraphDef: the main graph, and the functions of its library, each read when it is called first."""

    def __init__(self, graph: Message) -> None:
        self.main = Body("", _by_name(graph.node, "the graph"), {}, ())
        self._library = {function.signature.name: function for function in graph.library.function}
        self._bodies: dict[str, Body] = {}

    @property
    def node_count(self) -> int:
        """How many nodes the main graph and all functions have."""
        return len(self.main.nodes) + sum(len(f.node_def) for f in self._library.values())

    def function(self, name: str) -> Body:
        """The function called `name`; MalformedModel if the library has none."""
        if name not in self._bodies:
            if name not in self._library:
                raise MalformedModel(f"function {name!r} is called but not in the library")
            self._bodies[name] = _body(self._library[name])
        return self._bodies[name]


def _body(function: Message) -> Body:
    signature = function.signature
    where = f"function {signature.name!r}"
    arguments = {argument.name: i for i, argument in enumerate(signature.input_arg)}
    nodes = _by_name(function.node_def, where)
    missing = [result.name for result in signature.output_arg if result.name not in function.ret]
    if missing or len(arguments) < len(signature.input_arg):
        raise MalformedModel(f"{where} does not say what its result {missing[:1]} is, or repeats an argument")
    return Body(
        signature.name,
        nodes,
        arguments,
        tuple(function.ret[r.name] for r in signature.output_arg),
        tuple(function.control_ret.values()),
    )


def _by_name(nodes: Iterable[Message], where: str) -> dict[str, Message]:
    found: dict[str, Message] = {}
    for node in nodes:
        if node.name in found:
            raise MalformedModel(f"{where} has two nodes called {node.name!r}")
        found[node.name] = node
        if sum(not text.startswith("^") for text in node.input) < _INPUTS.get(node.op, 0):
            raise MalformedModel(f"node {node.name!r} of {where} lacks an input that {node.op} must have")
    return found
