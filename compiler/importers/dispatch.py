"""Which importer reads what: told from the path's ending or the object's type, without importing any framework."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from isthmus.compiler.importers.shapes import InputShapes
from isthmus.ir import textfile
from isthmus.ir.errors import BadInput, UnknownFormat
from isthmus.ir.graph import Graph

_TAKES = "a path to .onnx or .isth, the bytes of an ONNX file, an onnx.ModelProto, or an isthmus Graph"


def import_model(model: Any, *, inputs: InputShapes | None = None) -> Graph:
    """`model` as a graph.

    `model` is a path (.onnx, .isth text), the bytes of an ONNX file, an onnx.ModelProto, or a Graph, which is copied.
    `inputs` gives shapes that the model leaves open: `{"x": ("N:1..32", 3, 224, 224)}`. Raises ImportFailed or
    TextError for bad models, UnknownFormat for anything else.
    """
    if isinstance(model, str | os.PathLike):
        return _from_path(Path(model), inputs)
    if isinstance(model, bytes | bytearray | memoryview) or type(model).__name__ == "ModelProto":
        return _from_onnx(bytes(model) if isinstance(model, bytearray | memoryview) else model, inputs)
    if isinstance(model, Graph):
        _refuse_shapes(inputs)
        return model.copy()
    raise UnknownFormat(f"{type(model).__name__} is no model isthmus can import", hint=f"give {_TAKES}")


def _from_path(path: Path, inputs: InputShapes | None) -> Graph:
    if not path.exists():
        raise UnknownFormat(f"there is no file {path}")
    if path.suffix == ".onnx":
        return _from_onnx(path, inputs)
    if path.suffix == ".isth":
        _refuse_shapes(inputs)
        return textfile.load(path)
    raise UnknownFormat(f"{path} has an ending that names no format isthmus imports", hint=f"give {_TAKES}")


def _from_onnx(source: Any, inputs: InputShapes | None) -> Graph:
    from isthmus.compiler.importers.onnx import import_onnx

    return import_onnx(source, inputs=inputs)


def _refuse_shapes(inputs: InputShapes | None) -> None:
    if inputs:
        raise BadInput("an IR graph has its input shapes already", hint="leave `inputs` out")
