"""ONNX functions: bodies that a model brings along, and bodies by which ONNX itself defines an op."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import onnx
from onnx import AttributeProto, FunctionProto, NodeProto, TensorProto, TypeProto

from isthmus.compiler.importers.onnx.loader import normal_domain, opset_versions, text
from isthmus.compiler.importers.onnx.types import code_of
from isthmus.ir.errors import MalformedModel
from isthmus.ir.graph import Value


@dataclass(frozen=True, eq=False)
class Function:
    """A body to inline: formal inputs and outputs, nodes, attribute defaults and the operator sets it is written in."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: Sequence[NodeProto]
    defaults: Mapping[str, AttributeProto]
    opsets: Mapping[str, int]


Schema: TypeAlias = Any
"""`onnx.defs.OpSchema`, whose type stubs do not tell of function bodies."""

Key: TypeAlias = tuple[str, str, str]
"""Domain, op type and overload."""


def key_of(node: NodeProto) -> Key:
    """What a call is matched to functions by."""
    return normal_domain(node.domain), node.op_type, node.overload


def local_functions(model: onnx.ModelProto) -> dict[Key, Function]:
    """The functions a model brings along. MalformedModel where two have the same name."""
    found: dict[Key, Function] = {}
    for proto in model.functions:
        key = normal_domain(proto.domain), proto.name, proto.overload
        if key in found:
            raise MalformedModel(f"function {proto.domain}::{proto.name} is defined twice")
        found[key] = _function(proto, {a.name: a for a in proto.attribute_proto})
    return found


def schema_of(op: str, version: int, domain: str) -> Schema | None:
    """ONNX's own definition of the op as of `version`, if the installed onnx has one."""
    try:
        return onnx.defs.get_schema(op, version, domain)
    except onnx.defs.SchemaError:
        return None


def has_body(schema: Schema) -> bool:
    """Whether ONNX defines the op by a function body."""
    return bool(schema.has_function or schema.has_context_dependent_function)


def fixed_body(schema: Schema, version: int) -> Function | None:
    """The body by which ONNX defines the op, if it is the same for every call."""
    if not schema.has_function:
        return None
    usable = [v for v in schema.function_opset_versions if v <= version]
    data = schema.get_function_with_opset_version(max(usable, default=schema.since_version))
    return _parsed(schema, data)


def body_for_call(schema: Schema, version: int, node: NodeProto, operands: Sequence[Value | None]) -> Function | None:
    """The body by which ONNX defines this very call: some are made for given attributes and operand types."""
    if not schema.has_context_dependent_function:
        return None
    usable = [v for v in schema.context_dependent_function_opset_versions if v <= version]
    types = [_type_proto(v).SerializeToString() for v in operands]
    chosen = max(usable, default=schema.since_version)
    try:
        data = schema.get_context_dependent_function_with_opset_version(chosen, node.SerializeToString(), types)
    except (ValueError, RuntimeError) as error:
        raise MalformedModel(f"{node.op_type}: {error}") from error
    return _parsed(schema, data)


def admits_types(version: int, op: str, operands: Sequence[Value | None]) -> bool:
    """Whether ONNX itself has the op for operands of these element types.

    onnx's own inference would tell more, but takes forever on some hostile attributes.
    """
    schema = schema_of(op, version, "")
    if schema is None or len(operands) > len(schema.inputs):
        return False
    allowed = {c.type_param_str: set(c.allowed_type_strs) for c in schema.type_constraints}
    bound: dict[str, str] = {}
    for formal, value in zip(schema.inputs, operands, strict=False):
        if value is None:
            continue
        found = f"tensor({TensorProto.DataType.Name(code_of(value.dtype)).lower()})"
        if found not in allowed.get(formal.type_str, {formal.type_str}):
            return False
        if bound.setdefault(formal.type_str, found) != found:
            return False
    return True


def _parsed(schema: Schema, data: bytes) -> Function | None:
    proto = FunctionProto()
    proto.ParseFromString(data)
    if not proto.node:
        return None
    defaults = {
        name: spec.default_value
        for name, spec in schema.attributes.items()
        if spec.default_value.type != AttributeProto.UNDEFINED
    }
    return _function(proto, defaults)


def _function(proto: FunctionProto, defaults: Mapping[str, AttributeProto]) -> Function:
    for field in (proto.name, proto.domain, *proto.input, *proto.output):
        text(field, "a name in a function")
    return Function(
        name=f"{proto.domain}::{proto.name}" if proto.domain else proto.name,
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        nodes=proto.node,
        defaults=defaults,
        opsets=opset_versions(proto.opset_import, f"function {proto.name}"),
    )


def _type_proto(value: Value | None) -> TypeProto:
    proto = TypeProto()
    if value is None:
        return proto
    proto.tensor_type.elem_type = code_of(value.dtype)
    proto.tensor_type.shape.SetInParent()
    for size in value.shape:
        dim = proto.tensor_type.shape.dim.add()
        if isinstance(size, int):
            dim.dim_value = size
        else:
            dim.dim_param = str(size)
    return proto
