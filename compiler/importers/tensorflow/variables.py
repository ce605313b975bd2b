"""Which tensor of the checkpoint belongs to which variable of the graph.

The graph itself says so: its restore ops assign what they read. Variables it does not restore (those of
`tf.saved_model.save` of a Keras model) are looked up by their place in the tree of objects, which both files hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Protocol

from isthmus.compiler.importers.tensorflow.bundle import Bundle
from isthmus.compiler.importers.tensorflow.protos import Message, parse
from isthmus.compiler.importers.tensorflow.slices import Slice, parse_spec
from isthmus.compiler.importers.tensorflow.source import Body, SourceGraph, parse_ref
from isthmus.compiler.importers.tensorflow.tensors import texts
from isthmus.compiler.importers.tensorflow.types import STRING
from isthmus.ir.constant import Constant
from isthmus.ir.errors import MalformedModel, UnsupportedModel

_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SAME = ("Identity", "StopGradient")
_ASSIGN = ("Assign", "AssignVariableOp")
_LONGEST_CHAIN = 64


class Variables(Protocol):
    """Where the contents of a graph's variables come from."""

    def constant(self, node: Message) -> Constant:
        """What the variable that `node` of the main graph makes holds."""


class NoVariables:
    """A frozen graph has none."""

    def constant(self, node: Message) -> Constant:
        """UnsupportedModel always."""
        raise UnsupportedModel(
            f"variable {node.name!r} has no value: the graph is not frozen", hint="import the SavedModel folder"
        )


class SavedVariables:
    """The variables of a SavedModel; its checkpoint is opened when the first one is asked for."""

    def __init__(self, graph: SourceGraph, meta: Message, prefix: Path) -> None:
        self._graph = graph
        self._meta = meta
        self._prefix = prefix

    def constant(self, node: Message) -> Constant:
        """What the checkpoint holds for the variable. MalformedModel if it holds nothing."""
        restored = self._restored.get(node.name)
        if restored is not None and restored[0] in self._bundle:
            return self._bundle.constant(*restored)
        for name in _names_of(node):
            for key in (self._by_object.get(name), name):
                if key is not None and key in self._bundle:
                    return self._bundle.constant(key)
        raise MalformedModel(f"the checkpoint holds nothing for variable {node.name!r}", where=str(self._prefix))

    @cached_property
    def _bundle(self) -> Bundle:
        return Bundle.open(self._prefix)

    @cached_property
    def _restored(self) -> dict[str, tuple[str, tuple[tuple[int, ...], Slice] | None]]:
        """Variable node -> key, and which part of what is stored there."""
        found = dict(_assigned(self._graph.main, {}))
        call = self._graph.main.nodes.get(parse_ref(self._meta.saver_def.restore_op_name).node)
        if call is not None and "f" in call.attr:
            body = self._graph.function(call.attr["f"].func.name)
            given = {name: call.input[i] for name, i in body.arguments.items() if i < len(call.input)}
            for argument, restored in _assigned(body, given):
                if (made := _origin(self._graph.main, argument)) is not None:
                    found[made[0].name] = restored
        return found

    @cached_property
    def _by_object(self) -> Mapping[str, str]:
        """Variable name -> key, by walking the saved objects and the checkpoint's objects side by side."""
        if _OBJECTS not in self._bundle:
            return {}
        stored = parse("TrackableObjectGraph", self._bundle.text(_OBJECTS), f"{self._prefix}: {_OBJECTS}").nodes
        saved = self._meta.object_graph_def.nodes
        found: dict[str, str] = {}
        seen: set[tuple[int, int]] = set()
        pending = [(0, 0)] if stored and saved else []
        while pending:
            pair = pending.pop()
            if pair in seen or not (0 <= pair[0] < len(saved) and 0 <= pair[1] < len(stored)):
                continue
            seen.add(pair)
            ours, theirs = saved[pair[0]], stored[pair[1]]
            if ours.variable.name:
                for attribute in theirs.attributes:
                    if attribute.name == "VARIABLE_VALUE":
                        found.setdefault(ours.variable.name, attribute.checkpoint_key)
            named = {child.local_name: child.node_id for child in theirs.children}
            if len(seen) <= len(saved) + len(stored):
                pending += [(c.node_id, named[c.local_name]) for c in ours.children if c.local_name in named]
        for node in stored:
            for attribute in node.attributes:
                if attribute.name == "VARIABLE_VALUE":
                    found.setdefault(attribute.full_name, attribute.checkpoint_key)
        return found


def _assigned(
    body: Body, given: Mapping[str, str]
) -> Iterator[tuple[str, tuple[str, tuple[tuple[int, ...], Slice] | None]]]:
    """What each assignment of a restored tensor assigns to, with the tensor's key and part."""
    read: dict[str, tuple[bytes, ...]] = {}
    for node in body.nodes.values():
        if node.op not in _ASSIGN or len(node.input) < 2:
            continue
        made = _origin(body, node.input[1])
        if made is None or made[0].op != "RestoreV2" or len(made[0].input) < 3:
            continue
        restore, index = made
        for text in restore.input[1:3]:
            if text not in read:
                read[text] = _strings(body, text)
        keys, specs = (read[text] for text in restore.input[1:3])
        if index >= len(keys) or len(keys) != len(specs):
            raise MalformedModel(f"restore op {restore.name!r} does not name what it reads")
        target = parse_ref(node.input[0]).node
        while target in body.nodes and body.nodes[target].op in _SAME and body.nodes[target].input:
            target = parse_ref(body.nodes[target].input[0]).node
        yield given.get(target, target), (keys[index].decode(errors="replace"), parse_spec(_plain(specs[index])))


def _origin(body: Body, text: str) -> tuple[Message, int] | None:
    """The node that makes a tensor, past ops that pass it on, and which output it is; None for an argument."""
    for _ in range(_LONGEST_CHAIN):
        ref = parse_ref(text)
        node = body.nodes.get(ref.node)
        if node is None:
            return None
        if node.op not in _SAME or not node.input:
            return node, body.index(ref)
        text = node.input[0]
    return None


def _strings(body: Body, text: str) -> tuple[bytes, ...]:
    made = _origin(body, text)
    if made is None or made[0].op != "Const" or made[0].attr["value"].tensor.dtype != STRING:
        raise UnsupportedModel("a restore op computes the names of what it reads")
    return texts(made[0].attr["value"].tensor, "the names of restored tensors")[1]


def _plain(spec: bytes) -> str:
    return spec.decode(errors="replace")


def _names_of(node: Message) -> list[str]:
    shared = node.attr["shared_name"].s.decode(errors="replace") if "shared_name" in node.attr else ""
    return [name for name in (shared, node.name) if name]
