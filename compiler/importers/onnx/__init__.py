"""Reads ONNX models: any operator set from 1 to 28, external data, functions and control flow."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from isthmus.compiler.importers.onnx.external import ExternalData
from isthmus.compiler.importers.onnx.frame import Frame, OnnxBuilder
from isthmus.compiler.importers.onnx.functions import local_functions
from isthmus.compiler.importers.onnx.graph_inputs import input_types
from isthmus.compiler.importers.onnx.importer import Walk
from isthmus.compiler.importers.onnx.loader import load, opset_versions, text
from isthmus.compiler.importers.onnx.scope import Scope
from isthmus.compiler.importers.onnx.survey import Survey
from isthmus.compiler.importers.onnx.table import TABLE
from isthmus.compiler.importers.shapes import InputShapes
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Graph
from isthmus.passes.base import PassContext
from isthmus.passes.dce import Dce

if TYPE_CHECKING:
    from onnx import ModelProto


def import_onnx(source: str | os.PathLike[str] | bytes | ModelProto, *, inputs: InputShapes | None = None) -> Graph:
    """The model as a graph with the same input and output names.

    `inputs` gives shapes the model leaves open: `{"x": ("N:1..32", 3, 224, 224)}`. Inputs that have a default value
    are constants unless named there. Raises ImportFailed in one of its kinds, or BadInput for impossible shapes.
    """
    try:
        return _import(source, inputs or {})
    except RecursionError:
        raise UnsupportedModel("the model nests too deeply") from None


def _import(source: str | os.PathLike[str] | bytes | ModelProto, shapes: InputShapes) -> Graph:
    model, path = load(source)
    functions = local_functions(model)
    survey = Survey(TABLE, functions)
    survey.check(model)
    graph = Graph(re.sub(r"\W+", "_", text(model.graph.name, "the graph's name")) or "main")
    scope = Scope(OnnxBuilder(graph))
    for name, type in input_types(model.graph, shapes):
        scope.define(name, graph.add_input(type, name))
    walk = Walk(TABLE, functions, ExternalData(path), survey.nodes)
    results = walk.graph(model.graph, scope, Frame(opset_versions(model.opset_import, "the model")))
    outputs = dict(zip((v.name for v in model.graph.output), results, strict=True))
    graph.set_outputs(list(outputs.values()), list(outputs))
    Dce().run(graph, PassContext())  # shape arithmetic that became attributes, constants of omitted inputs
    return graph
