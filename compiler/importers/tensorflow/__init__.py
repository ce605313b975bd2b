"""Reads TensorFlow's SavedModels and frozen graphs, from TensorFlow 1.0 to 2.21, without TensorFlow."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from isthmus.compiler.importers.shapes import InputShapes
from isthmus.compiler.importers.tensorflow.effects import refuse_changes
from isthmus.compiler.importers.tensorflow.frame import Frame, TfBuilder
from isthmus.compiler.importers.tensorflow.importer import Walk
from isthmus.compiler.importers.tensorflow.loader import TensorFlowModel, load
from isthmus.compiler.importers.tensorflow.operands import KINDS, Operand, Poison
from isthmus.compiler.importers.tensorflow.scope import Scope
from isthmus.compiler.importers.tensorflow.signatures import Port, input_types, question
from isthmus.compiler.importers.tensorflow.source import parse_ref
from isthmus.compiler.importers.tensorflow.table import TABLE
from isthmus.ir.errors import IsthmusError, MalformedModel, UnsupportedModel
from isthmus.ir.graph import Graph, Value
from isthmus.passes.base import PassContext
from isthmus.passes.dce import Dce


def import_tensorflow(
    source: str | os.PathLike[str] | bytes,
    *,
    inputs: InputShapes | None = None,
    outputs: Sequence[str] | None = None,
    signature: str | None = None,
) -> Graph:
    """The model as a graph.

    `source` is a SavedModel folder, a saved_model.pb, a frozen .pb file, or the bytes of a frozen graph. `signature`
    chooses among a SavedModel's signatures; by default it is serving_default, else serve, else the only one. `outputs`
    restricts the signature's outputs, or names any tensors of the graph; in a graph without signatures `inputs` may
    name any tensors too. `inputs` gives shapes the model leaves open: `{"x": ("N:1..32", 224, 224, 3)}`. Raises
    ImportFailed in one of its kinds, or BadInput for names and shapes that do not fit.
    """
    try:
        return _import(load(source), inputs or {}, outputs, signature, _name(source))
    except RecursionError:
        raise UnsupportedModel("the model nests too deeply") from None
    except IsthmusError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # Nodes of a damaged file fit each other in ways no check foresees: that is the file's fault, not the caller's.
        raise MalformedModel(f"the model does not fit together: {type(error).__name__}: {error}") from error


def signatures(source: str | os.PathLike[str]) -> dict[str, tuple[list[str], list[str]]]:
    """The signatures of a SavedModel: for each name, the names of its inputs and of its outputs."""
    found = load(source).signatures
    return {name: (sorted(each.inputs), sorted(each.outputs)) for name, each in found.items()}


def _import(
    model: TensorFlowModel, shapes: InputShapes, outputs: Sequence[str] | None, signature: str | None, name: str
) -> Graph:
    asked = question(model, signature, shapes, outputs)
    refuse_changes(model.graph, asked.outputs.values())
    graph = Graph(name)
    builder = TfBuilder(graph)
    scope = Scope(builder)
    given: dict[tuple[str, int], Value] = {}
    for label, type in input_types(asked.inputs, shapes).items():
        given[_key(model, asked.inputs[label])] = graph.add_input(type, label)
    main = Frame(model.graph.main, scope, given=given)
    walk = Walk(model, TABLE, main)
    found = {label: walk.ask(main, text) for label, text in asked.outputs.items()}
    graph.set_outputs(_tensors(found), list(found))
    Dce().run(graph, PassContext())  # shape arithmetic that became attributes, constants nobody uses
    return graph


def _key(model: TensorFlowModel, port: Port) -> tuple[str, int]:
    ref = parse_ref(port.text)
    if ref.node not in model.graph.main.nodes:
        raise UnsupportedModel(f"the signature's input {port.text!r} is not in the graph")
    return ref.node, ref.number


def _tensors(found: dict[str, Operand]) -> list[Value]:
    if poisons := [cause for x in found.values() if isinstance(x, Poison) for cause in x.causes]:
        raise Poison(poisons).error()
    values = []
    for name, operand in found.items():
        if not isinstance(operand, Value):
            raise UnsupportedModel(f"output {name!r} is {KINDS[type(operand)]}, not a tensor")
        values.append(operand)
    return values


def _name(source: str | os.PathLike[str] | bytes) -> str:
    path = None if isinstance(source, bytes) else Path(source)
    stem = "" if path is None else path.parent.name if path.name == "saved_model.pb" else path.stem
    name = re.sub(r"\W+", "_", stem, flags=re.ASCII)
    return name if name and not name[0].isdigit() else f"model_{name}" if name else "main"
