"""Where the walk over a model is: the node at hand, the operator sets in force, and attributes as they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import AttributeProto, NodeProto

from isthmus.compiler.importers.base import ImportBuilder
from isthmus.compiler.importers.onnx.functions import Key
from isthmus.compiler.importers.onnx.scope import Scope
from isthmus.ir.errors import MalformedModel


class ByDefinition(Exception):
    """Raised by a lowering that leaves a call to the function body by which ONNX defines the op."""


class OnnxBuilder(ImportBuilder):
    """What a lowering is given: a builder that also knows the node at hand."""

    opset: int = 1
    """The operator set the node is written in."""
    outputs: Sequence[str] = ()
    """The names the node gives its outputs; "" for one that is not wanted."""

    def wants(self, index: int) -> bool:
        """Whether the node names output number `index`."""
        return index < len(self.outputs) and bool(self.outputs[index])


@dataclass(frozen=True)
class Frame:
    """Where the walk is: the operator sets in force, the attributes of the function call around, and the path to it."""

    opsets: Mapping[str, int]
    path: str = ""
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    calls: tuple[Key, ...] = ()
    depth: int = 0


@dataclass(frozen=True)
class Argument:
    """An attribute as written, with the names and the frame it was written in."""

    proto: AttributeProto
    scope: Scope
    frame: Frame


def arguments_of(node: NodeProto, scope: Scope, frame: Frame) -> dict[str, Argument]:
    """The attributes by name, those that refer to the surrounding call's attributes replaced by them."""
    found: dict[str, Argument] = {}
    for proto in node.attribute:
        if proto.name in found:
            raise MalformedModel(f"attribute {proto.name!r} is given twice")
        if not proto.ref_attr_name:
            found[proto.name] = Argument(proto, scope, frame)
        elif proto.ref_attr_name in frame.arguments:
            found[proto.name] = frame.arguments[proto.ref_attr_name]
    return found


def with_arguments(node: NodeProto, arguments: Mapping[str, Argument]) -> NodeProto:
    """The node with its attributes written out."""
    if not any(proto.ref_attr_name for proto in node.attribute):
        return node
    resolved = NodeProto()
    resolved.CopyFrom(node)
    del resolved.attribute[:]
    for name, argument in arguments.items():
        resolved.attribute.add().CopyFrom(argument.proto)
        resolved.attribute[-1].name = name
    return resolved


def shortest(number: float) -> float:
    """The shortest decimal that is the same f32: authors write 0.01, and files hold 0.009999999776482582."""
    return float(str(np.float32(number)))


def decoded_text(data: bytes, name: str) -> str:
    """A text attribute; MalformedModel where it is no UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MalformedModel(f"attribute {name!r} is no text") from None
