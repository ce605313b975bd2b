"""State: the attributes that a call changes, carried from call to call as inputs and outputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch

from isthmus.compiler.importers.torch.scripted.fakes import ScriptBuilder
from isthmus.compiler.importers.torch.scripted.frame import Frame
from isthmus.compiler.importers.torch.scripted.lowering import Lowering
from isthmus.compiler.importers.torch.scripted.structure import (
    Structure,
    alike,
    describe,
    join,
    names_of,
    refill,
    take_apart,
)
from isthmus.compiler.importers.torch.state import check_state_name
from isthmus.ir.dim import Dim, as_symbol, symbol
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.evaluate import evaluate
from isthmus.ir.graph import Graph
from isthmus.ir.types import Array, TensorType


@dataclass(frozen=True)
class Kept:
    """One attribute: what it is made of, and its tensors' types before and after every call."""

    structure: Structure
    types: tuple[TensorType, ...]


def give_state(lowering: Lowering, kept: Mapping[str, Kept]) -> None:
    """Let the attributes hold new inputs of the graph."""
    frame = lowering.root
    for path, each in kept.items():
        slot = lowering.slot_at(path)
        names = names_of(each.structure, path)
        for name in names:
            check_state_name(name, frame.b.graph)
        inputs = [frame.b.graph.add_input(t, n) for t, n in zip(each.types, names, strict=True)]
        refill(frame, slot, each.structure, iter(inputs))


def kept_after(lowering: Lowering, kept: Mapping[str, Kept]) -> dict[str, Kept]:
    """The attributes that the script has changed, as they fit both ends of a call. UnsupportedModel where none do."""
    frame = lowering.root
    found: dict[str, Kept] = {}
    shared = _shared(lowering)
    for path, slot in lowering.slots.items():
        after = describe(frame, slot)
        if path in kept:
            before, types = kept[path].structure, kept[path].types
        else:
            before, values = lowering.held[path]
            if after == before and all(map(lambda a, c: a is c, values, take_apart(frame, slot, after))):
                continue
            types = tuple(v.type for v in values)
        joined = join(before, after)
        if not alike(joined, before):
            again = lowering.thing(_held(lowering, path), path)
            types = tuple(v.type for v in take_apart(frame, again, joined))
        if path in shared:
            raise UnsupportedModel(
                f"the script changes {path!r}, which lies in the memory of {shared[path]!r}",
                hint="give each attribute a tensor of its own",
            )
        made = take_apart(frame, slot, joined)
        names = names_of(joined, path)
        settled = tuple(_loose(t, v.type, n) for t, v, n in zip(types, made, names, strict=True))
        old = kept.get(path)
        found[path] = (
            old if old is not None and alike(joined, before) and settled == old.types else Kept(joined, settled)
        )
    return found


def first_held(lowering: Lowering, kept: Mapping[str, Kept]) -> dict[str, Array]:
    """What the state's inputs are given in the first call, by name."""
    graph = Graph("state")
    frame = Frame(ScriptBuilder(graph))
    scratch = Lowering(frame, lowering.walk, lowering.script)
    values = [
        (name, value)
        for path, each in kept.items()
        for name, value in zip(
            names_of(each.structure, path),
            take_apart(frame, scratch.thing(_held(lowering, path), path), each.structure),
            strict=True,
        )
    ]
    graph.set_outputs([value for _, value in values], [name for name, _ in values])
    return {name: array.copy() for name, array in evaluate(graph, {}).items()}


def _shared(lowering: Lowering) -> dict[str, str]:
    """Tensors that lie in another one's memory, by path, and the path of the other one."""
    homes: dict[int, list[str]] = defaultdict(list)
    for path in lowering.slots:
        held = _held(lowering, path)
        if isinstance(held, torch.Tensor):
            homes[held.untyped_storage().data_ptr() or id(held)].append(path)
    groups = [paths for paths in homes.values() if len(paths) > 1]
    return {path: paths[0] if path != paths[0] else paths[1] for paths in groups for path in paths}


def _held(lowering: Lowering, path: str) -> Any:
    return attrgetter(path)(lowering.script)


def _loose(before: TensorType, after: TensorType, name: str) -> TensorType:
    """The type with a symbol for each size that calls change."""

    def size(axis: int, d: Dim, e: Dim) -> Dim:
        own = symbol(f"{name.replace('.', '_')}_{axis}", 0)
        return d if d == e or as_symbol(d) == as_symbol(own) else own

    return before.with_shape(size(i, d, e) for i, (d, e) in enumerate(zip(before.shape, after.shape, strict=True)))
