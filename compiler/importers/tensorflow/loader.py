"""From a path or bytes to the graph, the signatures and the variables of one model. No code is run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from isthmus.compiler.importers.tensorflow.protos import Message, parse
from isthmus.compiler.importers.tensorflow.source import SourceGraph
from isthmus.compiler.importers.tensorflow.variables import NoVariables, SavedVariables, Variables
from isthmus.ir.errors import ImportFailed, MalformedModel, UnsupportedModel

_SERVE = "serve"
_HINT = "give a SavedModel folder, its saved_model.pb, or a frozen GraphDef"
_OTHERS = {
    ".cpb": ("chunked (.cpb)", "save it below 2 GB, or without weights in the graph"),
    ".pbtxt": ("stored as text", "save it as saved_model.pb"),
}
_INIT = "__saved_model_init_op"


@dataclass(frozen=True)
class TensorFlowModel:
    """What a file holds: the graph, the signatures by name (none in frozen graphs) and where variables come from."""

    graph: SourceGraph
    signatures: Mapping[str, Message]
    variables: Variables
    where: str


def load(source: str | os.PathLike[str] | bytes) -> TensorFlowModel:
    """The model in a SavedModel folder, a saved_model.pb or a frozen .pb file, or in the bytes of a frozen graph.

    Raises ImportFailed if it cannot be read, MalformedModel if it is no such model, UnsupportedModel for chunked and
    text files.
    """
    if isinstance(source, bytes):
        return _frozen(parse("GraphDef", source, "the given bytes", _HINT), "the given bytes")
    path = Path(source)
    if path.is_dir():
        return _saved_model(_in_folder(path))
    if path.name == "saved_model.pb":
        return _saved_model(path)
    if path.suffix in _OTHERS:
        raise _of_another_kind(path)
    data = _read(path)
    graph = parse("GraphDef", data, str(path), _HINT)
    if not graph.node:
        return _from_saved_model(data, path)
    return _frozen(graph, str(path))


def _in_folder(folder: Path) -> Path:
    if (folder / "saved_model.pb").exists():
        return folder / "saved_model.pb"
    for ending in _OTHERS:
        if (folder / f"saved_model{ending}").exists():
            raise _of_another_kind(folder / f"saved_model{ending}")
    raise ImportFailed(f"{folder} holds no saved_model.pb", hint=_HINT)


def _of_another_kind(path: Path) -> UnsupportedModel:
    reason, hint = _OTHERS[path.suffix]
    return UnsupportedModel(f"the model is {reason}", where=str(path), hint=hint)


def _saved_model(path: Path) -> TensorFlowModel:
    return _from_saved_model(_read(path), path)


def _from_saved_model(data: bytes, path: Path) -> TensorFlowModel:
    model = parse("SavedModel", data, str(path), _HINT)
    if not model.meta_graphs:
        raise MalformedModel("no graph is in the file: no TensorFlow model, or a truncated one", where=str(path))
    chosen = [m for m in model.meta_graphs if _SERVE in m.meta_info_def.tags] or list(model.meta_graphs)
    if len(chosen) > 1 and _SERVE not in chosen[0].meta_info_def.tags:
        tags = "; ".join(", ".join(m.meta_info_def.tags) for m in chosen)
        raise UnsupportedModel(f"none of the file's graphs is tagged 'serve': {tags}", where=str(path))
    meta = chosen[0]
    graph = SourceGraph(meta.graph_def)
    signatures = {name: meta.signature_def[name] for name in sorted(meta.signature_def) if name != _INIT}
    prefix = path.parent / "variables" / "variables"
    return TensorFlowModel(graph, signatures, SavedVariables(graph, meta, prefix), str(path))


def _frozen(graph: Message, where: str) -> TensorFlowModel:
    if not graph.node:
        raise MalformedModel("no node is in the file: no TensorFlow graph, or a truncated one", where=where)
    return TensorFlowModel(SourceGraph(graph), {}, NoVariables(), where)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImportFailed(f"cannot read the model: {error.strerror}", where=str(path)) from None
