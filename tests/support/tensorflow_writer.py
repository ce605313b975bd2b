"""Saving TensorFlow models as fixtures: what each folder holds, and how weights are drawn."""

from __future__ import annotations

import json
import lzma
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tests.support.tensorflow_draw import draw

Call = Mapping[str, NDArray[Any]]
keras = tf.keras
layers = keras.layers
v1 = tf.compat.v1


def numbers(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Seeded standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def answer(folder: Path, calls: Sequence[tuple[str, Call]]) -> None:
    """Run signatures of the SavedModel and store inputs and outputs."""
    loaded = tf.saved_model.load(str(folder / "model"))
    found: dict[str, Any] = {}
    for i, (signature, inputs) in enumerate(calls):
        outputs = loaded.signatures[signature](**{k: tf.constant(v) for k, v in inputs.items()})
        found |= {f"{i}/{signature}/in/{k}": v for k, v in inputs.items()}
        found |= {f"{i}/{signature}/out/{k}": v.numpy() for k, v in outputs.items()}
    np.savez_compressed(folder / "reference.npz", **found)


def exported(folder: Path, model: Any, *calls: Call) -> None:
    """Keras' own export, with the signature `serve`."""
    randomise(model)
    model.export(str(folder / "model"), verbose=False)
    answer(folder, [("serve", call) for call in calls])


def randomise(model: Any, seed: int = 7) -> None:
    """Give every weight seeded values, so that no bias is zero and no norm is the identity."""
    for i, weight in enumerate(model.weights):
        if weight.dtype.startswith("float"):
            kind, spread = drawing_of(weight.path, tuple(weight.shape))
            weight.assign(draw(f"{seed}/{i}", tuple(weight.shape), kind, spread).astype(weight.dtype))


def drawing_of(path: str, shape: tuple[int, ...]) -> tuple[str, float]:
    """How a Keras weight is drawn: what its name says it is for."""
    last = path.rsplit("/", 1)[-1]
    if last in ("gamma", "moving_variance"):
        return "positive", 0.5
    if "depthwise" in last or "depthwise_kernel" in last:
        return "normal", float(np.sqrt(2 / np.prod(shape[:2])))
    if len(shape) >= 2:
        return "normal", float(np.sqrt(1.5 / np.prod(shape[:-1])))
    return "normal", 0.1


def stripped(folder: Path, model: Any, *calls: Call) -> None:
    """Keras' export without its shard: its weights are drawn by checkpoint key."""
    for i, weight in enumerate(model.weights):
        weight.assign(np.full(weight.shape, i, weight.dtype))
    with tempfile.TemporaryDirectory() as scratch:
        model.export(scratch, verbose=False)
        old = tf.train.load_checkpoint(f"{scratch}/variables/variables")
        drawn, tensors = {}, {}
        for key in sorted(old.get_variable_to_shape_map()):
            tensors[key] = value = old.get_tensor(key)
            if isinstance(value, np.ndarray) and value.dtype == np.float32 and value.size:
                number = int(value.flat[0])  # a file holds each weight twice, under two keys
                drawn[key] = (str(number), *drawing_of(model.weights[number].path, value.shape))
                tensors[key] = draw(drawn[key][0], value.shape, *drawn[key][1:])
        (folder / "model").mkdir()
        shutil.copy(f"{scratch}/saved_model.pb", folder / "model")
    prefix = folder / "model" / "variables" / "variables"
    prefix.parent.mkdir()
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.constant(v) for v in tensors.values()],
    )
    answer(folder, [("serve", call) for call in calls])
    shard = Path(f"{prefix}.data-00000-of-00001")
    graph = [key for key in tensors if key not in drawn]
    json.dump(
        {"size": shard.stat().st_size, "drawn": drawn, "kept": graph}, (folder / "drawn.json").open("w"), indent=0
    )
    kept: dict[str, Any] = {}
    entries = old_entries(prefix)
    data = shard.read_bytes()
    for key in graph:
        start, size = entries[key]
        kept[key.replace("/", "|")] = np.frombuffer(data[start : start + size], np.uint8)
    np.savez_compressed(folder / "kept.npz", **kept)
    shard.unlink()
    pack(folder)


def pack(folder: Path) -> None:
    """Compress the graph."""
    graph = folder / "model" / "saved_model.pb"
    graph.with_suffix(".pb.xz").write_bytes(lzma.compress(graph.read_bytes()))
    graph.unlink()


def old_entries(prefix: Path) -> dict[str, tuple[int, int]]:
    """Where each tensor lies in its shard, as our own reader of the index says."""
    from isthmus.compiler.importers.tensorflow.bundle import Bundle

    return {key: (entry.offset, entry.size) for key, entry in Bundle.open(prefix).entries.items()}
