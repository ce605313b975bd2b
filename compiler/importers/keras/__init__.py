"""Reads Keras 3 models: `.keras` files and models in memory.

Keras computes in a framework of the user's choice, one for a whole process. With torch, models go through torch.export;
with TensorFlow, through `model.export` and its SavedModel. What runs on neither is read by a child process with torch.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from isthmus.backends import child
from isthmus.backends.progress import Silent
from isthmus.compiler.importers.keras.archive import vet
from isthmus.compiler.importers.keras.framework import keras_here, loaded
from isthmus.compiler.importers.keras.signature import asked, declared, output_names
from isthmus.ir import textfile
from isthmus.ir.errors import BadInput, UnsupportedModel
from isthmus.ir.graph import Graph

__all__ = ["import_keras"]

_EXPORT = 'run with KERAS_BACKEND=torch or KERAS_BACKEND=tensorflow, or give the model as a file: model.save("m.keras")'


def import_keras(source: Any, *, inputs: Any = None) -> Graph:
    """The model as a graph, at inference; inputs and outputs are called as in Keras.

    `source` is the path of a `.keras` file or a built keras.Model. Files are vetted before Keras sees them: Lambda
    layers and code of other packages are refused. `inputs` gives shapes that the model leaves open, by input name:
    `{"image": ("N:1..32", 224, 224, 3)}`; by default the batch is `N`. Models that declare no inputs (subclassed ones
    never called) need them in the order of the call. Raises ImportFailed in one of its kinds, or BadInput.
    """
    if not isinstance(source, str | os.PathLike):
        return _from_model(source, inputs)
    path = Path(source)
    vet(path)
    keras = keras_here()
    if keras.backend.backend() in ("torch", "tensorflow"):
        return _from_model(loaded(keras, path), inputs)
    return _through_child(path, inputs)


def _from_model(model: Any, inputs: Any) -> Graph:
    backend = import_module("keras").backend.backend()
    if backend == "torch":
        from isthmus.compiler.importers.keras.through_torch import converted

        return converted(model, inputs)
    if backend == "tensorflow":
        return _through_saved_model(model, inputs)
    raise UnsupportedModel(f"the model computes in {backend}, from which there is no export", hint=_EXPORT)


def _through_saved_model(model: Any, inputs: Any) -> Graph:
    from isthmus.compiler.importers.tensorflow import import_tensorflow, signatures

    ports = declared(model)
    with tempfile.TemporaryDirectory(prefix="isthmus-", ignore_cleanup_errors=True) as folder:
        try:
            model.export(folder, verbose=False)
        except Exception as error:
            raise UnsupportedModel(f"model.export fails: {type(error).__name__}: {error}") from error
        names = {name for given, _ in signatures(folder).values() for name in given}
        graph = import_tensorflow(folder, inputs=asked(ports, inputs) if set(ports) == names else inputs)
        for node in graph.walk():
            for value in node.results:
                _ = value.array  # mapped while the file is there; it stays so once the folder is gone
    exported = {f"output_{i}": name for i, name in enumerate(output_names(model))}
    values = dict(zip(graph.output_names, graph.outputs, strict=True))
    if set(exported) == set(values):
        graph.set_outputs([values[each] for each in exported], list(exported.values()))
    return graph


def _through_child(path: Path, inputs: Any) -> Graph:
    if inputs is not None and not isinstance(inputs, Mapping):
        raise BadInput("inputs= for a .keras file are shapes by input name", hint='{"image": ("N", 224, 224, 3)}')
    with tempfile.TemporaryDirectory(prefix="isthmus-", ignore_cleanup_errors=True) as folder:
        order = {"path": str(path.resolve()), "inputs": inputs and {name: list(dims) for name, dims in inputs.items()}}
        (Path(folder) / "order.json").write_text(json.dumps(order))
        child.run("isthmus.compiler.importers.keras.in_child:convert", Path(folder), Silent())
        return textfile.load(Path(folder) / "graph.isth")
