"""Files: .pt2 archives are read without running anything in them; everything that is a pickle is refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import isthmus
from isthmus.compiler.importers.torch.archive import read_archive
from isthmus.ir import evaluate
from isthmus.ir.errors import BadInput, ImportFailed, MalformedModel, UnsupportedModel, UnsupportedOps
from isthmus.passes.numerics import relative_error


@pytest.fixture(scope="module")
def module() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5)).eval()


@pytest.fixture(scope="module")
def saved(module: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "net.pt2"
    example = torch.zeros(2, 3, 8, 8)
    module(example)
    batch = torch.export.Dim("batch", min=1, max=16)
    torch.export.save(torch.export.export(module, (example,), dynamic_shapes={"input": {0: batch}}), path)
    return path


def changed(saved: Path, path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """A copy of the archive with some entries changed, or left out where `change` says None."""
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for info in source.infolist():
            data = change(info.filename.partition("/")[2], source.read(info))
            if data is not None:
                target.writestr(info.filename, data)
    return path


def graph_changed(saved: Path, path: Path, change: Callable[[str], str]) -> Path:
    def apply(name: str, data: bytes) -> bytes:
        return change(data.decode()).encode() if name.startswith("models/") else data

    return changed(saved, path, apply)


def test_archive_agrees(saved: Path, module: Any) -> None:
    graph = isthmus.import_model(saved, inputs={"input": ("N:1..16", 3, 8, 8)})
    assert graph.name == "net"
    assert [str(v.type) for v in graph.inputs] == ["f32[N, 3, 8, 8]"]
    for batch in (1, 3):
        x = np.random.default_rng(0).standard_normal((batch, 3, 8, 8)).astype(np.float32)
        assert (
            relative_error(evaluate(graph, {"input": x})["output"], module(torch.from_numpy(x)).detach().numpy()) < 1e-5
        )


def test_weights_are_mapped(saved: Path) -> None:
    state = read_archive(saved).state_dict
    array: Any = state["0.weight"].detach().numpy()
    while getattr(array, "base", None) is not None and not isinstance(array, np.memmap):
        array = array.base if not isinstance(array.base, torch.Tensor) else None
    raw = saved.read_bytes()
    assert state["0.weight"].detach().numpy().tobytes() in raw


def test_asking_for_more_than_was_exported(saved: Path) -> None:
    with pytest.raises(BadInput, match=r"may be 1\.\.16"):
        isthmus.import_model(saved, inputs={"input": ("N:1..99", 3, 8, 8)})
    with pytest.raises(BadInput, match="is 3 in the exported program, not 4"):
        isthmus.import_model(saved, inputs={"input": ("N:1..16", 4, 8, 8)})
    with pytest.raises(BadInput, match="has no input 'x'"):
        isthmus.import_model(saved, inputs={"x": ("N", 3, 8, 8)})


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_sample_inputs_are_not_unpickled(saved: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    buffer = io.BytesIO()
    torch.save(Trap(mark), buffer)

    def trap(name: str, data: bytes) -> bytes:
        return buffer.getvalue() if name.startswith("data/sample_inputs/") else data

    isthmus.import_model(changed(saved, tmp_path / "trap.pt2", trap))
    assert not mark.exists()


def test_pickled_weights_are_refused(saved: Path, tmp_path: Path) -> None:
    def pickled(name: str, data: bytes) -> bytes:
        if not name.endswith("_weights_config.json"):
            return data
        config = json.loads(data)
        next(iter(config["config"].values()))["use_pickle"] = True
        return json.dumps(config).encode()

    with pytest.raises(UnsupportedModel, match="is pickled"):
        isthmus.import_model(changed(saved, tmp_path / "p.pt2", pickled))


@pytest.mark.parametrize(
    "size",
    [
        "__import__('os').mkdir('MARK')",
        "Symbol('s77').__class__",
        "(lambda: 1)()",
        "Function('f')(s77)",
        "9**9**9",
        "Pow(Integer(9), Integer(999999999))",
        "s77 if 1 else s77",
        "[s77]",
        "",
        "((",
        "Symbol('x y')",
        "Integer('9' * 9)",
    ],
)
def test_sizes_are_not_evaluated(saved: Path, tmp_path: Path, size: str) -> None:
    mark = tmp_path / "ran"
    evil = json.dumps(size.replace("MARK", str(mark)))
    with zipfile.ZipFile(saved) as archive:
        text = archive.read(next(n for n in archive.namelist() if n.endswith("models/model.json"))).decode()
    found = json.loads(text)
    real = next(each for each in _all_texts(found))
    path = graph_changed(saved, tmp_path / "s.pt2", lambda text: text.replace(json.dumps(real), evil))
    with pytest.raises(MalformedModel, match="symbolic size"):
        isthmus.import_model(path)
    assert not mark.exists()


def _all_texts(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["expr_str"]] if "expr_str" in part else []
        return own + [text for each in part.values() for text in _all_texts(each)]
    return [text for each in part for text in _all_texts(each)] if isinstance(part, list) else []


@pytest.mark.parametrize(
    "target", ["torch.os.system", "torch.load", "_operator.attrgetter", "#custom:f", "torch.ops.my.op"]
)
def test_targets_are_ops_only(saved: Path, tmp_path: Path, target: str) -> None:
    path = graph_changed(saved, tmp_path / "t.pt2", lambda text: text.replace("torch.ops.aten.relu.default", target))
    with pytest.raises(UnsupportedOps, match=target.replace(".", r"\.")):
        isthmus.import_model(path)


def test_structures_import_no_modules(saved: Path, tmp_path: Path) -> None:
    """torch would import the module that a defaultdict's factory names."""

    def evil(text: str) -> str:
        graph = json.loads(text)
        context = json.dumps({"default_factory_module": "antigravity", "default_factory_name": "x", "dict_context": []})
        for entry in graph["graph_module"]["module_call_graph"]:
            if entry["signature"]:
                protocol, tree = json.loads(entry["signature"]["out_spec"])
                tree = {"type": "collections.defaultdict", "context": context, "children_spec": [tree]}
                entry["signature"]["out_spec"] = json.dumps([protocol, tree])
        return json.dumps(graph)

    isthmus.import_model(graph_changed(saved, tmp_path / "d.pt2", evil))


def test_tensors_reach_no_further_than_their_storage(saved: Path, tmp_path: Path) -> None:
    def large(name: str, data: bytes) -> bytes:
        if not name.endswith("_weights_config.json"):
            return data
        config = json.loads(data)
        next(iter(config["config"].values()))["tensor_meta"]["sizes"] = [{"as_int": 1 << 40}] * 4
        return json.dumps(config).encode()

    with pytest.raises(MalformedModel, match="needs"):
        isthmus.import_model(changed(saved, tmp_path / "l.pt2", large))


def test_truncated_and_damaged_files(saved: Path, tmp_path: Path) -> None:
    raw = saved.read_bytes()
    path = tmp_path / "cut.pt2"
    for end in range(0, len(raw), max(len(raw) // 25, 1)):
        path.write_bytes(raw[:end])
        with pytest.raises(ImportFailed):
            isthmus.import_model(path)
    for missing in ("data/weights/model_weights_config.json", "data/weights/weight_0"):
        with pytest.raises(ImportFailed):
            isthmus.import_model(changed(saved, path, lambda n, d, gone=missing: None if n == gone else d))  # type: ignore[misc]
    with pytest.raises(MalformedModel):
        isthmus.import_model(graph_changed(saved, path, lambda text: text[: len(text) // 2]))


def test_pickles_are_refused_with_what_to_do(module: Any, tmp_path: Path) -> None:
    whole, state, old = tmp_path / "whole.pt", tmp_path / "state.pth", tmp_path / "old.pt"
    torch.save(module, whole)
    torch.save(module.state_dict(), state)
    old.write_bytes(pickle.dumps({"weight": [1.0]}))
    for path in (whole, state, old):
        with pytest.raises(UnsupportedModel, match="runs code") as caught:
            isthmus.import_model(path)
        assert "torch.export.save(torch.export.export(" in str(caught.value)
