"""A Keras model as the torch module it is where Keras computes in torch."""

from __future__ import annotations

import re
from typing import Any

import keras
import torch

from isthmus.compiler.importers.keras.signature import asked, declared, output_names
from isthmus.compiler.importers.torch import import_torch
from isthmus.ir.errors import BadInput, UnsupportedModel
from isthmus.ir.graph import Graph
from isthmus.ir.types import DTYPES

_OPEN_SIZES = (
    "give all sizes but the batch as numbers with inputs=, or read the model through TensorFlow: "
    'run with KERAS_BACKEND=tensorflow, or model.export("folder") there'
)
_TYPES = {str(dtype.numpy): name for name, dtype in DTYPES.items()}


class _Called(torch.nn.Module):  # type: ignore[misc]
    """The model as a function of tensors in order, to tensors in order."""

    def __init__(self, model: Any, arrangement: Any) -> None:
        super().__init__()
        self.model = model
        self.arrangement = arrangement

    def forward(self, *tensors: Any) -> Any:
        """The model at inference."""
        given = tensors if self.arrangement is None else (keras.tree.pack_sequence_as(self.arrangement, list(tensors)),)
        return tuple(keras.tree.flatten(self.model(*given, training=False)))


def converted(model: Any, inputs: Any) -> Graph:
    """The graph of a keras.Model. BadInput where `inputs` do not fit, UnsupportedModel where torch cannot trace it."""
    if not isinstance(model, keras.Model):
        raise UnsupportedModel(f"{type(model).__name__} is no keras.Model", hint="wrap layers in keras.Sequential")
    ports = declared(model)
    if not ports and inputs is None:
        raise BadInput("the model does not say what it is called with", hint="give shapes in order by inputs=")
    given = {name: _typed(name, ports[name], each) for name, each in asked(ports, inputs).items()} if ports else inputs
    names = list(given) if isinstance(given, dict) else []
    called = _Called(model, _arrangement(model, list(ports.values())))
    try:
        graph = import_torch(called, inputs=list(given.values()) if isinstance(given, dict) else list(given))
    except UnsupportedModel as error:
        if "Constraints violated" in error.reason:  # torch's words: a layer asks for a size that is left open
            error.hint = _OPEN_SIZES
        raise
    graph.name = re.sub(r"\W+", "_", str(model.name), flags=re.ASCII) or graph.name
    for value, name in zip(graph.inputs, names, strict=False):
        value.name = name
    if len(yields := output_names(model)) == len(graph.outputs):
        graph.set_outputs(graph.outputs, yields)
    return graph


def _arrangement(model: Any, tensors: list[Any]) -> Any:
    """How the inputs are nested in the model's one argument; None for a model that takes them one by one."""
    if not tensors:
        return None
    found = getattr(model, "_inputs_struct", None)
    return found if found is not None else tensors[0] if len(tensors) == 1 else tensors


def _typed(name: str, tensor: Any, given: Any) -> Any:
    """A shape with the input's element type, as text; an example as it is."""
    if not isinstance(given, tuple):
        return given
    if str(tensor.dtype) not in _TYPES:
        raise UnsupportedModel(f"input {name!r} has element type {tensor.dtype}, which is not supported")
    return f"{_TYPES[str(tensor.dtype)]}[{', '.join(map(str, given))}]"
