"""What a model is asked for: the inputs and outputs of a signature, or any tensors by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from isthmus.compiler.importers.shapes import InputShapes, Symbols, merge_shape, parse_shapes
from isthmus.compiler.importers.tensorflow.attributes import partial_shape
from isthmus.compiler.importers.tensorflow.loader import TensorFlowModel
from isthmus.compiler.importers.tensorflow.operands import PartialShape
from isthmus.compiler.importers.tensorflow.protos import Message
from isthmus.compiler.importers.tensorflow.source import Body, parse_ref
from isthmus.compiler.importers.tensorflow.tensors import MAX_RANK
from isthmus.compiler.importers.tensorflow.types import dtype_from
from isthmus.ir.dim import Shape, symbols
from isthmus.ir.errors import BadInput, UnsupportedModel
from isthmus.ir.types import F32, DType, TensorType

_DEFAULTS = ("serving_default", "serve")
_PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
_NO_OUTPUTS = (
    "Assert",
    "Const",
    "NoOp",
    "Placeholder",
    "PlaceholderV2",
    "SaveV2",
    "RestoreV2",
    "Assign",
    "MergeV2Checkpoints",
)


@dataclass(frozen=True)
class Port:
    """An input as the model declares it: which tensor it is, and its type as far as that is known."""

    text: str
    dtype: DType
    shape: PartialShape


@dataclass(frozen=True)
class Question:
    """Inputs and outputs by the names the caller uses."""

    inputs: Mapping[str, Port]
    outputs: Mapping[str, str]


def question(
    model: TensorFlowModel, signature: str | None, inputs: Iterable[str], outputs: Sequence[str] | None
) -> Question:
    """What to import. `outputs` names tensors of the graph, or outputs of the signature.

    Raises BadInput for names that do not exist, with the nearest ones.
    """
    if model.signatures and (outputs is None or signature is not None or _are_of_signature(model, outputs)):
        chosen = _chosen(model, signature)
        found = _of_signature(chosen)
        return found if outputs is None else _restricted(found, outputs)
    if signature is not None:
        raise BadInput(f"the model has no signature {signature!r}: it is a bare graph", hint="leave `signature` out")
    return _of_graph(model.graph.main, inputs, outputs)


def input_types(ports: Mapping[str, Port], asked: InputShapes) -> dict[str, TensorType]:
    """The type of each input: what is declared, within it what is asked for, and symbols for what is left open."""
    if unknown := [name for name in asked if name not in ports]:
        raise BadInput(f"the model has no input {unknown[0]!r}", hint=_nearest(unknown[0], ports, "inputs"))
    wanted = parse_shapes(asked)
    names = Symbols()
    for each in (d for shape in wanted.values() for d in shape if d is not None):
        for symbol in symbols(each):
            names.reserve(symbol.name)
    return {name: TensorType(port.dtype, _shape(name, port, wanted.get(name), names)) for name, port in ports.items()}


def _shape(name: str, port: Port, wanted: Sequence[object] | None, names: Symbols) -> Shape:
    if port.shape is None:
        if wanted is None:
            raise UnsupportedModel(
                f"input {name!r} has no declared rank",
                where=f"tensorflow:{port.text}",
                hint=f'give its shape: inputs={{"{name}": ("N", 224, 224, 3)}}',
            )
        return merge_shape(name, tuple(wanted), None, names)  # type: ignore[arg-type]
    if len(port.shape) > MAX_RANK:
        raise UnsupportedModel(f"input {name!r} has more than {MAX_RANK} dimensions")
    if wanted is None:
        return tuple(names.fresh(f"{name}_{i}") if d is None else d for i, d in enumerate(port.shape))
    if len(wanted) != len(port.shape):
        raise BadInput(f"input {name!r} has rank {len(port.shape)} in the model, not {len(wanted)}")
    filled = tuple(
        d if d is not None else want if want is not None else names.fresh(f"{name}_{i}")
        for i, (d, want) in enumerate(zip(port.shape, wanted, strict=True))
    )
    return merge_shape(name, tuple(wanted), filled, names)  # type: ignore[arg-type]


# -- signatures --------------------------------------------------------------------------------------------------------


def _chosen(model: TensorFlowModel, name: str | None) -> Message:
    known = model.signatures
    listed = f"signatures are: {', '.join(known)}"
    if name is not None:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? {listed}" if near else listed
            raise BadInput(f"the model has no signature {name!r}", hint=hint)
        return known[name]
    for default in _DEFAULTS:
        if default in known:
            return known[default]
    if len(known) > 1:
        raise BadInput("the model has several signatures", hint=f"choose one by signature=; {listed}")
    return next(iter(known.values()))


def _of_signature(signature: Message) -> Question:
    inputs = {}
    for name in sorted(signature.inputs):
        info = signature.inputs[name]
        inputs[name] = Port(
            _tensor(info, name), dtype_from(info.dtype, f"input {name!r}"), partial_shape(info.tensor_shape)
        )
    outputs = {name: _tensor(signature.outputs[name], name) for name in sorted(signature.outputs)}
    if not outputs:
        raise UnsupportedModel("the signature has no outputs")
    return Question(inputs, outputs)


def _tensor(info: Message, name: str) -> str:
    if not info.name:
        raise UnsupportedModel(f"{name!r} of the signature is sparse or composite, not a tensor")
    return str(info.name)


def _are_of_signature(model: TensorFlowModel, outputs: Sequence[str]) -> bool:
    return any(all(name in each.outputs for name in outputs) for each in model.signatures.values())


def _restricted(found: Question, outputs: Sequence[str]) -> Question:
    if unknown := [name for name in outputs if name not in found.outputs]:
        hint = _nearest(unknown[0], found.outputs, "outputs")
        raise BadInput(f"the signature has no output {unknown[0]!r}", hint=hint)
    return Question(found.inputs, {name: found.outputs[name] for name in outputs})


# -- bare graphs -------------------------------------------------------------------------------------------------------


def _of_graph(main: Body, inputs: Iterable[str], outputs: Sequence[str] | None) -> Question:
    ends = {_plain(text): text for text in (_ends(main) if outputs is None else outputs)}
    for text in (*ends.values(), *inputs):
        if parse_ref(text).node not in main.nodes:
            raise BadInput(f"the graph has no tensor {text!r}", hint=_nearest(text, main.nodes, "nodes"))
    if not ends:
        raise UnsupportedModel("the graph has no node that nothing uses", hint="name tensors in outputs=")
    cut = {parse_ref(text).node for text in inputs}
    ports = {name: _port(main, name) for name in inputs}
    for name in _reached_placeholders(main, ends.values(), cut):
        ports.setdefault(name, _port(main, name))
    return Question(ports, ends)


def _plain(text: str) -> str:
    return text.removesuffix(":0")


def _ends(main: Body) -> list[str]:
    used = {parse_ref(text.removeprefix("^")).node for node in main.nodes.values() for text in node.input}
    return [name for name, node in main.nodes.items() if name not in used and node.op not in _NO_OUTPUTS]


def _port(main: Body, text: str) -> Port:
    node = main.nodes[parse_ref(text).node]
    dtype = F32
    for attribute in ("dtype", "DstT", "T"):
        if attribute in node.attr:
            dtype = dtype_from(node.attr[attribute].type, f"input {text!r}")
            break
    return Port(text, dtype, _declared(node))


def _declared(node: Message) -> PartialShape:
    if node.op in _PLACEHOLDERS and "shape" in node.attr:
        shape = partial_shape(node.attr["shape"].shape)
        if shape != ():  # before TensorFlow 1.4 an open shape was written like a scalar's
            return shape
    if "_output_shapes" in node.attr and node.attr["_output_shapes"].list.shape:
        return partial_shape(node.attr["_output_shapes"].list.shape[0])
    return () if node.op in _PLACEHOLDERS and "shape" in node.attr else None


def _reached_placeholders(main: Body, ends: Iterable[str], cut: set[str]) -> list[str]:
    seen: set[str] = set()
    pending = [parse_ref(text).node for text in ends]
    while pending:
        name = pending.pop()
        if name in seen or name not in main.nodes or name in cut:
            continue
        seen.add(name)
        pending += [parse_ref(text).node for text in main.nodes[name].input if not text.startswith("^")]
    return [name for name in main.nodes if name in seen and main.nodes[name].op in ("Placeholder", "PlaceholderV2")]


def _nearest(name: str, known: Iterable[str], what: str) -> str:
    listed = list(known)
    near = get_close_matches(name, listed, n=1)
    shown = ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")
    return f"did you mean {near[0]!r}?" if near else f"{what} are: {shown}"
