"""Models saved by TensorFlow (by `tests.support.tensorflow_fixtures`), and what TensorFlow answered."""

from __future__ import annotations

import json
import lzma
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.compiler.importers.tensorflow.bundle import Bundle
from isthmus.compiler.importers.tensorflow.protos import parse
from tests.support.tensorflow_draw import draw

FOLDER = Path(__file__).parent.parent / "data" / "tensorflow"
NAMES = tuple(sorted(p.name for p in FOLDER.iterdir() if (p / "reference.npz").exists()))
DRAWN = tuple(name for name in NAMES if (FOLDER / name / "drawn.json").exists())
"""Networks stored without their weights."""


@dataclass(frozen=True)
class Call:
    """One question that TensorFlow was asked."""

    signature: str | None
    inputs: dict[str, NDArray[Any]]
    outputs: dict[str, NDArray[Any]]


def calls(name: str) -> Iterator[Call]:
    """The questions in order."""
    stored = np.load(FOLDER / name / "reference.npz")
    found: dict[tuple[int, str], Call] = {}
    for key in stored.files:
        number, signature, side, label = key.split("/", 3)
        call = Call(None if signature == "frozen" else signature, {}, {})
        call = found.setdefault((int(number), signature), call)
        (call.inputs if side == "in" else call.outputs)[label] = stored[key]
    for _, call in sorted(found.items()):
        yield call


def model(name: str, scratch: Path) -> Path:
    """The model's path. What is stored compressed, or without weights, is written out below `scratch`."""
    folder = FOLDER / name
    if (folder / "model.pb").exists():
        return folder / "model.pb"
    if (folder / "model" / "saved_model.pb").exists():
        return folder / "model"
    target = scratch / name
    if not target.exists():
        shutil.copytree(folder / "model", target)
        (target / "saved_model.pb").write_bytes(_graph_file(folder))
        if name in DRAWN:
            _draw_weights(folder, target)
    return target


def _draw_weights(stored: Path, target: Path) -> None:
    variables = target / "variables"
    how = json.loads((stored / "drawn.json").read_text())
    entries = Bundle.open(variables / "variables").entries
    kept = np.load(stored / "kept.npz")
    with (variables / "variables.data-00000-of-00001").open("wb") as shard:
        shard.truncate(how["size"])
        for key in how["kept"]:
            shard.seek(entries[key].offset)
            shard.write(kept[key.replace("/", "|")].tobytes())
        for key, (seed, kind, spread) in how["drawn"].items():
            shard.seek(entries[key].offset)
            shard.write(draw(seed, entries[key].shape, kind, spread).tobytes())


def source_ops(name: str) -> set[str]:
    """Every op that occurs in the model's graph and functions."""
    data = _graph_file(FOLDER / name)
    if (FOLDER / name / "model.pb").exists():
        graph = parse("GraphDef", data, name)
    else:
        (meta,) = parse("SavedModel", data, name).meta_graphs
        graph = meta.graph_def
    bodies = [graph.node, *(each.node_def for each in graph.library.function)]
    return {node.op for body in bodies for node in body}


def _graph_file(folder: Path) -> bytes:
    packed = folder / "model" / "saved_model.pb.xz"
    if packed.exists():
        return lzma.decompress(packed.read_bytes())
    frozen = folder / "model.pb"
    return (frozen if frozen.exists() else folder / "model" / "saved_model.pb").read_bytes()
