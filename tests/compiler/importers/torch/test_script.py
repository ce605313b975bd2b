"""TorchScript: traced and scripted modules, from objects and from files."""

from __future__ import annotations

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
from isthmus.compiler.importers.torch import initial_state
from isthmus.ir import evaluate
from isthmus.ir.errors import BadInput, MalformedModel, UnsupportedModel
from isthmus.ir.types import Array
from isthmus.passes.numerics import relative_error
from tests.support.torch_modules import ConvLSTM, Module, RecurrentLanguageModel, UNet
from tests.support.torch_scripts import StatefulGRU

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*TracerWarning.*")
LIMIT = 1e-5


def data(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Options(Module):
    """Branches on sizes, options and None; loops over a list; an assertion; a dict out."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.scale = 0.5
        self.sizes = [1, 2]

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        assert x.dim() == 2, "a matrix"
        if x.shape[1] == 4:
            for layer in self.layers:
                x = torch.relu(layer(x))
        else:
            x = x[:, :4]
        parts = [x]
        for size in self.sizes:
            parts.append(x * size * self.scale)
        if y is not None:
            parts.append(y)
        return {"joined": torch.cat(parts, 1), "first": parts[0]}


class FusedAttention(Module):
    """Self-attention that also gives its weights, behind a mask over the sequence."""

    def __init__(self, average: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.average = average

    def forward(self, x: torch.Tensor) -> Any:
        hidden = torch.triu(torch.ones(5, 5), diagonal=1) > 0
        return self.attention(x, x, x, attn_mask=hidden, average_attn_weights=self.average)


def agree(source: Any, module: Any, inputs: Any, *calls: tuple[Array, ...]) -> None:
    graph = isthmus.import_model(source, inputs=inputs)
    for arrays in calls:
        with torch.no_grad():
            theirs = torch.utils._pytree.tree_leaves(module(*map(torch.from_numpy, arrays)))
        ours = evaluate(graph, list(arrays))
        assert len(ours) == len(theirs)
        for array, expected in zip(ours.values(), theirs, strict=True):
            assert relative_error(array, expected.numpy()) < LIMIT


@pytest.mark.parametrize("ending", [".pt", ".jit", ".ptl"])
def test_traced_file(tmp_path: Path, ending: str) -> None:
    torch.manual_seed(0)
    module, path = UNet(3, 2, 2).eval(), tmp_path / f"net{ending}"
    torch.jit.trace(module, torch.zeros(2, 3, 8, 8)).save(path)
    agree(path, module, {"x": ("N:1..8", 3, 8, 8)}, (data(1, 3, 8, 8),), (data(3, 3, 8, 8),))


def test_scripted_module() -> None:
    torch.manual_seed(0)
    module = Options().eval()
    script = torch.jit.script(module)
    agree(script, module, {"x": ("N:1..8", 4)}, (data(1, 4),), (data(3, 4),))
    agree(script, module, {"x": ("N:1..8", 4), "y": ("N", 2)}, (data(3, 4), data(3, 2)))
    graph = isthmus.import_model(script, inputs={"x": ("N:1..8", 4)})
    assert graph.output_names == ("joined", "first")


def test_scripted_recurrence() -> None:
    torch.manual_seed(0)
    for kind in ("LSTM", "GRU"):
        module = RecurrentLanguageModel(kind).eval()
        ids = np.random.default_rng(0).integers(0, 100, (3, 6))
        agree(torch.jit.script(module), module, {"ids": "i64[N:1..8, 6]"}, (ids,), (ids[:1],))
    clip = ConvLSTM(3, 4).eval()
    agree(torch.jit.script(clip), clip, {"frames": ("N:1..8", 3, 3, 8, 8)}, (data(2, 3, 3, 8, 8),))


def test_scripted_function() -> None:
    def curve(x: torch.Tensor, power: int = 3) -> torch.Tensor:
        y = x
        for _ in range(power - 1):
            y = y * x
        return y

    script = torch.jit.script(curve)
    agree(script, curve, {"x": ("N", 4)}, (data(3, 4),))


def test_frozen_module() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    script = torch.jit.freeze(torch.jit.script(module))
    agree(script, module, {"input": ("N:1..8", 3, 8, 8)}, (data(2, 3, 8, 8),))


def test_state_over_several_calls() -> None:
    torch.manual_seed(0)
    module = StatefulGRU().eval()
    script = torch.jit.script(module)
    graph = isthmus.import_model(script, inputs={"x": (1, 3)})
    state = initial_state(script, inputs={"x": (1, 3)})
    assert graph.output_names == ("output", "hidden")
    for turn in range(3):
        x = data(1, 3, seed=turn)
        with torch.no_grad():
            expected = module(torch.from_numpy(x)).numpy()
        found = evaluate(graph, {"x": x, **state})
        state = {"hidden": found["hidden"]}
        assert relative_error(found["output"], expected) < LIMIT


def test_weights_are_shared() -> None:
    layer = nn.Linear(4, 2)
    script = torch.jit.script(layer)
    graph = isthmus.import_model(script, inputs={"input": ("N", 4)})
    weights = {node.result.name: node.attrs["data"] for node in graph.nodes if node.op.name == "const"}
    assert np.shares_memory(weights["weight"].array, script.weight.detach().numpy())


def test_inputs_are_named_as_in_the_script() -> None:
    with pytest.raises(BadInput, match="inputs do not fit"):
        isthmus.import_model(torch.jit.script(nn.Linear(4, 2)), inputs={"x": ("N", 4)})


def test_mobile_archive(tmp_path: Path) -> None:
    """The form for phones holds the script beside its bytecode."""
    torch.manual_seed(0)
    module, path = nn.Linear(4, 2).eval(), tmp_path / "net.ptl"
    torch.jit.script(module)._save_for_lite_interpreter(str(path))
    agree(path, module, {"input": ("N", 4)}, (data(3, 4),))


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_nothing_is_unpickled_by_python(tmp_path: Path) -> None:
    """An archive whose data are a pickle that runs code."""
    path, mark = tmp_path / "net.pt", tmp_path / "ran"
    torch.jit.script(nn.Linear(4, 2)).save(path)
    change(path, lambda name, content: pickle.dumps(Trap(mark), 2) if name.endswith("data.pkl") else content)
    with pytest.raises(MalformedModel, match="TorchScript archive"):
        isthmus.import_model(path, inputs={"input": ("N", 4)})
    assert not mark.exists()


@pytest.mark.parametrize("call", ["torch.from_file('MARK', True, 8)", "ops.my.op(input)"])
def test_code_that_reaches_files_is_refused(tmp_path: Path, call: str) -> None:
    """torch runs some of an archive's code while loading it."""
    path, mark = tmp_path / "net.pt", tmp_path / "mark"
    torch.jit.script(nn.Linear(4, 2)).save(path)
    evil = call.replace("MARK", str(mark)).encode()
    change(
        path, lambda n, code: code.replace(b"return", b"_ = " + evil + b"\n    return") if n.endswith(".py") else code
    )
    with pytest.raises(UnsupportedModel, match="the script calls"):
        isthmus.import_model(path, inputs={"input": ("N", 4)})
    assert not mark.exists()


@pytest.mark.parametrize("norm_first", [False, True])
def test_fused_encoder_layers(norm_first: bool) -> None:
    """A trace made with torch's fast path on holds its kernels."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first, activation="gelu").eval()
    with torch.no_grad():
        traced = torch.jit.trace(layer, torch.zeros(2, 5, 8), check_trace=False)
    assert "_transformer_encoder_layer_fwd" in str(traced.inlined_graph)
    agree(traced, layer, {"src": ("N:1..8", 5, 8)}, (data(1, 5, 8),), (data(3, 5, 8),))


@pytest.mark.parametrize("average", [False, True])
def test_fused_attention_and_its_weights(average: bool) -> None:
    torch.manual_seed(0)
    module = FusedAttention(average).eval()
    with torch.no_grad():
        traced = torch.jit.trace(module, torch.zeros(2, 5, 8), check_trace=False)
    assert "_native_multi_head_attention" in str(traced.inlined_graph)
    agree(traced, module, {"x": ("N:1..8", 5, 8)}, (data(1, 5, 8),), (data(3, 5, 8),))


def change(path: Path, edit: Callable[[str, bytes], bytes]) -> None:
    """Rewrite every entry of an archive."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, edit(name, content))


def test_damaged_archive(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.jit.script(nn.Linear(4, 2)).save(path)
    change(path, lambda name, content: content.replace(b"return", b"retun") if name.endswith(".py") else content)
    with pytest.raises(MalformedModel, match="TorchScript archive"):
        isthmus.import_model(path, inputs={"input": ("N", 4)})
