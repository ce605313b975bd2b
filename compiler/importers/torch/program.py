"""An exported program as a graph: parameters become constants, state becomes inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain, count
from typing import Any

import torch

from isthmus.compiler.importers.torch.args import common_dtype, tensor
from isthmus.compiler.importers.torch.builder import TorchBuilder
from isthmus.compiler.importers.torch.importer import Walk
from isthmus.compiler.importers.torch.signature import (
    Asked,
    constant_argument,
    input_dims,
    output_names,
    symbols_of,
)
from isthmus.compiler.importers.torch.state import array_of, check_state_name
from isthmus.compiler.importers.torch.types import dtype_from
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import Array, TensorType

_STORED = ("PARAMETER", "BUFFER", "CONSTANT_TENSOR")


def read_program(program: Any, walk: Walk, asked: Asked, name: str) -> Graph:
    """The program's graph. A buffer that it changes is an input and an output, both called by the buffer's path."""
    sizes = symbols_of(program, asked)
    graph = Graph(re.sub(r"\W+", "_", name) or "main")
    b = TorchBuilder(graph, sizes)
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
    specs = program.graph_signature.input_specs
    changed = set(program.graph_signature.buffers_to_mutate.values())
    found: list[Any] = [None] * len(specs)
    for i, (node, spec) in enumerate(zip(placeholders, specs, strict=True)):  # callers' inputs come first
        if spec.kind.name == "USER_INPUT":
            found[i] = _user_input(node, spec, b, asked)
    for i, (node, spec) in enumerate(zip(placeholders, specs, strict=True)):
        if spec.kind.name != "USER_INPUT":
            found[i] = _stored(node, spec, program, walk, b, changed)
    results = walk.graph(program.graph_module, b, found)
    outputs = _outputs(program, results, b)
    graph.set_outputs(list(outputs.values()), list(outputs))
    return graph


def held_at_first(program: Any) -> dict[str, Array]:
    """What the buffers that a functional program changes hold at first, by the name of their input."""
    names = sorted(program.graph_signature.buffers_to_mutate.values())
    return {name: array_of(_held(program, name), name).copy() for name in names}


def _user_input(node: Any, spec: Any, b: TorchBuilder, asked: Asked) -> Any:
    fake = node.meta["val"]
    if not isinstance(fake, torch.Tensor):
        return constant_argument(spec)
    type = TensorType(dtype_from(fake.dtype, f"input {node.name!r}"), input_dims(node, b.torch_sizes, asked))
    return b.graph.add_input(type, node.name)


def _stored(node: Any, spec: Any, program: Any, walk: Walk, b: TorchBuilder, changed: set[str]) -> Value:
    if spec.kind.name not in _STORED:
        raise UnsupportedModel(f"input {node.name!r} is a {spec.kind.name.lower().replace('_', ' ')}")
    held = _held(program, spec.target)
    if spec.target in changed:
        check_state_name(spec.target, b.graph)
        type = TensorType(dtype_from(held.dtype, spec.target), tuple(held.shape))
        return b.graph.add_input(type, spec.target)
    return b.const(walk.state.constant(held, spec.target), name=spec.target)


def _held(program: Any, target: str) -> Any:
    return program.state_dict[target] if target in program.state_dict else program.constants[target]


def _unused(name: str, taken: Mapping[str, Value]) -> str:
    """`name`, with a number behind it if another output is called so."""
    return next(each for each in chain((name,), (f"{name}_{i}" for i in count(1))) if each not in taken)


def _outputs(program: Any, results: list[Any], b: TorchBuilder) -> dict[str, Value]:
    """What the caller gets, by name, then the state after the call. What is None, or text, is left out."""
    names = iter(output_names(program))
    found: dict[str, Value] = {}
    state: dict[str, Value] = {}
    for spec, result in zip(program.graph_signature.output_specs, results, strict=True):
        kind = spec.kind.name
        if kind == "USER_OUTPUT":
            name = next(names)
            if result is not None and not isinstance(result, str):
                found[_unused(name, found)] = tensor(b, result, common_dtype(result))
        elif kind == "BUFFER_MUTATION":
            state[spec.target] = result
        else:
            raise UnsupportedModel(
                f"the program has an output of kind {kind.lower().replace('_', ' ')}: {spec.target}",
                hint="return the changed tensor instead of writing into an input",
            )
    return {_unused(name, state): value for name, value in found.items()} | state
