"""Which importer reads what: told from the path's ending or the object's type, without importing any framework."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isthmus.compiler.importers.shapes import InputShapes, ModelInputs
from isthmus.ir import textfile
from isthmus.ir.errors import BadInput, UnknownFormat
from isthmus.ir.graph import Graph

_TAKES = (
    "a path to .onnx, .pt2, .pt, .pb, .keras, .isth or a SavedModel folder, the bytes of an ONNX file, an "
    "onnx.ModelProto, a torch.nn.Module, ScriptModule or ExportedProgram, a keras.Model, or an isthmus Graph"
)
_KERAS_ENDINGS = (".keras", ".h5", ".hdf5")
_TORCH_ENDINGS = (".pt2", ".pt", ".pth", ".jit", ".ptl", ".ts")


def import_model(
    model: Any,
    *,
    inputs: ModelInputs | None = None,
    outputs: Sequence[str] | None = None,
    signature: str | None = None,
) -> Graph:
    """`model` as a graph.

    `model` is a path (.onnx, .pt2, .pt, SavedModel folder, frozen .pb, .keras, .isth text), the bytes of an ONNX file,
    an onnx.ModelProto, a torch.nn.Module, ScriptModule or ExportedProgram, a keras.Model, or a Graph, which is copied.
    `inputs` gives shapes that the model leaves open: `{"x": ("N:1..32", 3, 224, 224)}`, and for a module what it is
    called with (docs/import-torch.md). For TensorFlow, `signature` chooses one and `outputs` names what is asked for
    (docs/import-tensorflow.md). Raises ImportFailed or TextError for bad models, UnknownFormat for anything else.
    """
    if isinstance(model, str | os.PathLike) and _is_of_tensorflow(path := Path(model)):
        return _from_tensorflow(path, inputs, outputs, signature)
    if outputs is not None or signature is not None:
        raise BadInput("outputs= and signature= are for TensorFlow models", hint="leave them out")
    if isinstance(model, str | os.PathLike):
        return _from_path(Path(model), inputs)
    if isinstance(model, bytes | bytearray | memoryview) or type(model).__name__ == "ModelProto":
        return _from_onnx(bytes(model) if isinstance(model, bytearray | memoryview) else model, inputs)
    if isinstance(model, Graph):
        _refuse_shapes(inputs)
        return model.copy()
    if _derives_from("keras", model):  # where Keras computes in torch, its models are torch's modules too
        return _from_keras(model, inputs)
    if _derives_from("torch", model):
        return _from_torch(model, inputs)
    raise UnknownFormat(f"{type(model).__name__} is no model isthmus can import", hint=f"give {_TAKES}")


def _from_path(path: Path, inputs: ModelInputs | None) -> Graph:
    if not path.exists():
        raise UnknownFormat(f"there is no file {path}")
    if path.suffix == ".onnx":
        return _from_onnx(path, inputs)
    if path.suffix in _TORCH_ENDINGS:
        return _from_torch(path, inputs)
    if path.suffix == ".isth":
        _refuse_shapes(inputs)
        return textfile.load(path)
    if path.suffix in _KERAS_ENDINGS:
        return _from_keras(path, inputs)
    raise UnknownFormat(f"{path} has an ending that names no format isthmus imports", hint=f"give {_TAKES}")


def _from_onnx(source: Any, inputs: ModelInputs | None) -> Graph:
    from isthmus.compiler.importers.onnx import import_onnx

    return import_onnx(source, inputs=_by_name(inputs))


def _from_torch(source: Any, inputs: ModelInputs | None) -> Graph:
    from isthmus.compiler.importers.torch import import_torch

    return import_torch(source, inputs=inputs)


def _from_keras(source: Any, inputs: ModelInputs | None) -> Graph:
    from isthmus.compiler.importers.keras import import_keras

    return import_keras(source, inputs=inputs)


def _from_tensorflow(
    source: Any, inputs: ModelInputs | None, outputs: Sequence[str] | None, signature: str | None
) -> Graph:
    from isthmus.compiler.importers.tensorflow import import_tensorflow

    return import_tensorflow(source, inputs=_by_name(inputs), outputs=outputs, signature=signature)


def _is_of_tensorflow(path: Path) -> bool:
    """Whether the path is a folder, as SavedModels are, or a file of TensorFlow's."""
    return path.is_dir() or (path.suffix in (".pb", ".cpb", ".pbtxt") and path.exists())


def _derives_from(package: str, model: Any) -> bool:
    """Whether the package made the object's class, or one it derives from."""
    return any(base.__module__.partition(".")[0] == package for base in type(model).__mro__)


def _by_name(inputs: ModelInputs | None) -> InputShapes | None:
    if inputs is None or isinstance(inputs, Mapping):
        return inputs
    raise BadInput("shapes are given by input name", hint='inputs={"x": ("N:1..32", 3, 224, 224)}')


def _refuse_shapes(inputs: ModelInputs | None) -> None:
    if inputs:
        raise BadInput("an IR graph has its input shapes already", hint="leave `inputs` out")
