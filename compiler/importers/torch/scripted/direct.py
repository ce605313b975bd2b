"""A script lowered straight to the IR: its data-dependent branches and loops become regions, its state explicit.

An attribute that a call changes is an input and an output of the graph, of the same name. Which these are, and of what
kind, is found by lowering the script, and again until nothing new turns up.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from isthmus.compiler.importers.base import unsupported_ops
from isthmus.compiler.importers.shapes import Symbols
from isthmus.compiler.importers.torch.examples import Examples
from isthmus.compiler.importers.torch.importer import Walk
from isthmus.compiler.importers.torch.scripted.fakes import ScriptBuilder
from isthmus.compiler.importers.torch.scripted.frame import Frame
from isthmus.compiler.importers.torch.scripted.graphs import inlined
from isthmus.compiler.importers.torch.scripted.kept import Kept, first_held, give_state, kept_after
from isthmus.compiler.importers.torch.scripted.lowering import Lowering
from isthmus.compiler.importers.torch.scripted.refs import Module, Tensor
from isthmus.compiler.importers.torch.scripted.regions import Raised
from isthmus.compiler.importers.torch.scripted.structure import describe, loosened, names_of, take_apart
from isthmus.compiler.importers.torch.state import State
from isthmus.compiler.importers.torch.table import CONTROL, TABLE
from isthmus.ir.dim import symbols
from isthmus.ir.errors import IsthmusError, UnsupportedModel
from isthmus.ir.graph import Graph, Value
from isthmus.ir.types import Array, TensorType

_MOST_TRIALS = 8


@dataclass(frozen=True)
class Lowered:
    """A script as a graph, and what its state holds at first by the names of its inputs."""

    graph: Graph
    state: dict[str, Array]


def lower(script: Any, examples: Examples, signature: inspect.Signature, name: str) -> Lowered:
    """`script` called with `examples`. Raises UnsupportedModel, with the line of the script."""
    kept: Mapping[str, Kept] = {}
    state = State()
    for _ in range(_MOST_TRIALS):
        graph = Graph(re.sub(r"\W+", "_", name) or "main")
        lowering = Lowering(Frame(ScriptBuilder(graph)), Walk(TABLE, CONTROL, state), script)
        returned = _run(lowering, script, examples, signature, kept)
        found = kept_after(lowering, kept)
        if found == kept:
            _set_outputs(lowering, returned, kept)
            return Lowered(graph, first_held(lowering, kept))
        kept = found
    raise UnsupportedModel("the script keeps state that takes ever new shapes")


def _run(
    lowering: Lowering, script: Any, examples: Examples, signature: inspect.Signature, kept: Mapping[str, Kept]
) -> Any:
    """What the script's forward returns."""
    frame = lowering.root
    args, tensors = _inputs(frame, examples, signature)
    give_state(lowering, kept)
    try:
        if isinstance(script, torch.jit.ScriptFunction):
            returned = lowering.graph(frame, inlined(script.graph), args)
        else:
            returned = lowering.method(frame, Module(script, ""), "forward", args)
    except Raised as raised:
        raise UnsupportedModel(f"the script raises for these inputs: {raised}", where=raised.where) from None
    except IsthmusError as error:
        raise (unsupported_ops(refused) if (refused := lowering.calls.refused) else error) from None
    if lowering.calls.refused:
        raise unsupported_ops(lowering.calls.refused)
    for ref, value in tensors.items():
        if frame.read(ref) is not value:
            raise UnsupportedModel(f"the script writes into its input {value.name!r}", hint="return the tensor instead")
    return returned


def _inputs(frame: Frame, examples: Examples, signature: inspect.Signature) -> tuple[list[Any], dict[Tensor, Value]]:
    """The script's arguments, and the graph's input for each tensor among them."""
    taken = Symbols()
    for leaf in examples.leaves:
        for dim in leaf.dims:
            for each in symbols(dim) if dim is not None else ():
                taken.reserve(each.name)
    leaves = iter(examples.leaves)
    tensors: dict[Tensor, Value] = {}

    def made(thing: Any) -> Any:
        if isinstance(thing, torch.Tensor):
            leaf = next(leaves)
            shape = tuple(taken.fresh(f"{leaf.name}_{i}") if d is None else d for i, d in enumerate(leaf.dims))
            value = frame.b.graph.add_input(TensorType(leaf.dtype, shape), leaf.name)
            ref = frame.tensor(value)
            tensors[ref] = value
            return ref
        if isinstance(thing, dict):
            return frame.table({key: made(each) for key, each in thing.items()})
        if isinstance(thing, list):
            return frame.items([made(each) for each in thing])
        return tuple(made(each) for each in thing) if isinstance(thing, tuple) else thing

    bound = signature.bind(*examples.args, **examples.kwargs)
    bound.apply_defaults()
    return [made(each) for each in bound.args], tensors


def _set_outputs(lowering: Lowering, returned: Any, kept: Mapping[str, Kept]) -> None:
    """What the script returns, then its state after the call. What is None, or text, is left out."""
    frame = lowering.root
    state: dict[str, Value] = {}
    for path, each in kept.items():
        values = take_apart(frame, lowering.slots[path], each.structure)
        state |= dict(zip(names_of(each.structure, path), values, strict=True))
    structure = loosened(describe(frame, returned))
    names = names_of(structure, "output")
    readable = [name if _readable(name) in state else _readable(name) for name in names]
    outputs = dict(zip(readable, take_apart(frame, returned, structure), strict=True)) | state
    frame.b.graph.set_outputs(list(outputs.values()), list(outputs))


def _readable(name: str) -> str:
    """`joined` for `output_joined`; positions keep the prefix."""
    rest = name.removeprefix("output_")
    return name if rest[:1].isdigit() else rest
