"""The whole import on one screen: load, export, decompose what is lacking, read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from isthmus.compiler.importers.shapes import parse_shapes
from isthmus.compiler.importers.torch.examples import examples_for
from isthmus.compiler.importers.torch.export import decomposed, export
from isthmus.compiler.importers.torch.importer import Walk
from isthmus.compiler.importers.torch.loader import load
from isthmus.compiler.importers.torch.program import held_at_first, read_program
from isthmus.compiler.importers.torch.scripted import first_of, is_script, lower_script
from isthmus.compiler.importers.torch.scripted.twin import twin_of
from isthmus.compiler.importers.torch.signature import Asked, check_names, user_inputs
from isthmus.compiler.importers.torch.state import State
from isthmus.compiler.importers.torch.table import CONTROL, TABLE
from isthmus.ir.errors import BadInput
from isthmus.ir.graph import Graph
from isthmus.ir.types import Array
from isthmus.passes.base import PassContext
from isthmus.passes.dce import Dce


def read(source: Any, inputs: Any) -> Graph:
    """What `import_torch` gives."""
    model = load(source)
    name = _name_of(source, model)
    if is_script(model):
        graph = first_of(
            lambda: lower_script(model, inputs, name).graph, lambda: _through_export(twin_of(model), inputs, name)
        )
    else:
        graph = _through_export(model, inputs, name)
    Dce().run(graph, PassContext())  # weights and sizes nobody uses
    return graph


def state_of(source: Any, inputs: Any) -> dict[str, Array]:
    """What `initial_state` gives."""
    model = load(source)
    if is_script(model):
        return first_of(
            lambda: lower_script(model, inputs, "state").state, lambda: _state_of_program(twin_of(model), inputs)
        )
    return _state_of_program(model, inputs)


def _through_export(model: Any, inputs: Any, name: str) -> Graph:
    walk = Walk(TABLE, CONTROL, State())
    program, asked = _exported(model, inputs)
    program = decomposed(program, walk.lacks)
    walk.check(program.graph_module)
    return read_program(program, walk, asked, name)


def _state_of_program(model: Any, inputs: Any) -> dict[str, Array]:
    program, _ = _exported(model, inputs)
    return held_at_first(decomposed(program, lambda op: False))


def _exported(model: Any, inputs: Any) -> tuple[Any, Asked]:
    if isinstance(model, torch.export.ExportedProgram):
        if inputs is not None and not isinstance(inputs, Mapping):
            raise BadInput("shapes for an exported program are given by input name", hint='{"x": ("N", 3, 224, 224)}')
        check_names(list(inputs or {}), model)
        return model, parse_shapes(inputs or {})
    if inputs is None:
        raise BadInput(
            "a module does not say what it is called with",
            hint='give example tensors or shapes: inputs={"x": ("N:1..32", 3, 224, 224)}',
        )
    examples = examples_for(model.forward, inputs)
    program = export(model, examples)
    tensors = [node.name for node in user_inputs(program) if isinstance(node.meta["val"], torch.Tensor)]
    return program, dict(zip(tensors, (leaf.dims for leaf in examples.leaves), strict=True))


def _name_of(source: Any, model: Any) -> str:
    if isinstance(source, str | os.PathLike):
        return os.path.splitext(os.path.basename(source))[0]
    return str(getattr(model, "original_name", None) or getattr(model, "name", None) or type(model).__name__)
