"""Message classes for TensorFlow's files, made at run time in a pool of their own.

A private pool, because the same names in protobuf's default pool would collide with TensorFlow, TVM's or ONNX's
generated modules in one process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from isthmus.compiler.importers.tensorflow.schema import MESSAGES
from isthmus.ir.errors import MalformedModel

Message: TypeAlias = Any
"""An instance of a class made at run time: type checkers cannot see its fields."""

_PACKAGE = "isthmus.tensorflow"
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    name: getattr(_FIELD, f"TYPE_{name.upper()}")
    for name in ("int32", "int64", "uint32", "uint64", "fixed32", "float", "double", "bool", "string", "bytes")
}


def parse(name: str, data: bytes, where: str, hint: str = "") -> Message:
    """The message `name` that `data` encodes; MalformedModel where it does not."""
    message = _classes()[name]()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise MalformedModel(f"no {name}, or a truncated one: {error}", where=where, hint=hint) from None
    return message


def make(name: str) -> Message:
    """An empty message."""
    return _classes()[name]()


@cache
def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="isthmus_tensorflow.proto", package=_PACKAGE, syntax="proto3")
    names = []
    for name, fields in _parsed():
        names.append(name)
        _describe(file.message_type.add(), name, fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    find = pool.FindMessageTypeByName
    return {name: message_factory.GetMessageClass(find(f"{_PACKAGE}.{_flat(name)}")) for name in names}


def _parsed() -> Iterator[tuple[str, list[str]]]:
    for entry in re.split(r"\n(?=\S)", MESSAGES.strip()):
        name, _, fields = entry.partition(":")
        yield name, [field.strip() for field in fields.split(",")]


def _describe(message: Any, name: str, fields: list[str]) -> None:
    message.name = _flat(name)
    exclusive = False
    for text in fields:
        if text.startswith("oneof "):
            message.oneof_decl.add(name=text.removeprefix("oneof "))
            exclusive = True
            continue
        label, number, kind = text.split()
        field = message.field.add(name=label, number=int(number), label=_FIELD.LABEL_OPTIONAL)
        if kind.startswith("map<"):
            entry = message.nested_type.add(name="".join(p.title() for p in label.split("_")) + "Entry")
            entry.options.map_entry = True
            _type(entry.field.add(name="key", number=1, label=_FIELD.LABEL_OPTIONAL), "string")
            _type(entry.field.add(name="value", number=2, label=_FIELD.LABEL_OPTIONAL), kind[4:-1])
            field.label, field.type = _FIELD.LABEL_REPEATED, _FIELD.TYPE_MESSAGE
            field.type_name = f".{_PACKAGE}.{message.name}.{entry.name}"
            continue
        if kind.startswith("*"):
            field.label = _FIELD.LABEL_REPEATED
        _type(field, kind.removeprefix("*"))
        if exclusive:
            field.oneof_index = 0


def _type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{_flat(kind)}"


def _flat(name: str) -> str:
    return name.replace(".", "_")
