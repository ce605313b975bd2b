"""TensorFlow graphs written by hand, for forms that today's TensorFlow no longer writes, and for broken files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.compiler.importers.tensorflow.protos import Message, make

FLOAT, INT32, STRING, COMPLEX64, INT64, BOOL, RESOURCE = 1, 3, 7, 8, 9, 10, 20
"""TensorFlow's numbers for element types."""
_CODES = {"float32": FLOAT, "int32": INT32, "int64": INT64, "bool": BOOL}


class Type(int):
    """An attribute that is an element type."""


class Shape(tuple[int, ...]):
    """An attribute that is a shape; -1 for sizes left open."""


class Function(str):
    """An attribute that is a function's name."""


def node(name: str, op: str, *inputs: str, **attributes: Any) -> Message:
    """A NodeDef. Attributes become what their Python types say."""
    made = make("NodeDef")
    made.name, made.op = name, op
    made.input.extend(inputs)
    for key, value in attributes.items():
        _set(made.attr[key], value)
    return made


def placeholder(name: str, *sizes: int, code: int = FLOAT) -> Message:
    """An input."""
    return node(name, "Placeholder", dtype=Type(code), shape=Shape(sizes))


def const(name: str, array: NDArray[Any] | float | list[Any]) -> Message:
    """A constant; Python floats are f32, Python integers i32."""
    return node(name, "Const", value=_array(array))


def graph(*nodes: Message, functions: tuple[Message, ...] = ()) -> bytes:
    """A GraphDef as a frozen file holds it."""
    made = make("GraphDef")
    made.node.extend(nodes)
    made.library.function.extend(functions)
    data: bytes = made.SerializeToString()
    return data


def function(name: str, arguments: list[str], results: dict[str, str], *nodes: Message) -> Message:
    """A function of the library: `results` says which tensor each result is."""
    made = make("FunctionDef")
    made.signature.name = name
    for each in arguments:
        made.signature.input_arg.add(name=each)
    for each, text in results.items():
        made.signature.output_arg.add(name=each)
        made.ret[each] = text
    made.node_def.extend(nodes)
    return made


def saved_model(
    folder: Path,
    nodes: list[Message],
    inputs: dict[str, tuple[str, int, tuple[int, ...]]],
    outputs: dict[str, str],
    functions: tuple[Message, ...] = (),
    tags: tuple[str, ...] = ("serve",),
) -> Path:
    """A SavedModel with one signature; an input is tensor, element type and shape."""
    made = make("SavedModel")
    meta = made.meta_graphs.add()
    meta.meta_info_def.tags.extend(tags)
    meta.graph_def.node.extend(nodes)
    meta.graph_def.library.function.extend(functions)
    signature = meta.signature_def["serving_default"]
    for name, (text, code, sizes) in inputs.items():
        info = signature.inputs[name]
        info.name, info.dtype = text, code
        for size in sizes:
            info.tensor_shape.dim.add(size=size)
    for name, text in outputs.items():
        signature.outputs[name].name = text
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "saved_model.pb").write_bytes(made.SerializeToString())
    return folder


def _array(array: NDArray[Any] | float | list[Any]) -> NDArray[Any]:
    found = np.asarray(array)
    return found.astype({"float64": np.float32, "int64": np.int32}.get(str(found.dtype), found.dtype))


def _set(attribute: Message, value: Any) -> None:
    match value:
        case bool():
            attribute.b = value
        case Type():
            attribute.type = value
        case int():
            attribute.i = value
        case float():
            attribute.f = value
        case Function():
            attribute.func.name = value
        case str():
            attribute.s = value.encode()
        case bytes():
            attribute.tensor.dtype = STRING
            attribute.tensor.string_val.append(value)
        case Shape():
            attribute.shape.SetInParent()
            for size in value:
                attribute.shape.dim.add(size=size)
        case list():
            field = attribute.list.s if isinstance(value[0], str) else attribute.list.i
            field.extend(each.encode() if isinstance(each, str) else each for each in value)
        case np.ndarray():
            attribute.tensor.dtype = _CODES[str(value.dtype)]
            attribute.tensor.tensor_shape.SetInParent()
            for size in value.shape:
                attribute.tensor.tensor_shape.dim.add(size=size)
            attribute.tensor.tensor_content = value.tobytes()
        case _:
            raise TypeError(value)
