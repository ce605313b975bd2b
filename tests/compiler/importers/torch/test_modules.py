"""Modules with their inputs: shapes, names, dynamic sizes, what is refused, and where an error points."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import isthmus
from isthmus.ir import evaluate
from isthmus.ir.errors import BadInput, UnsupportedModel, UnsupportedOps
from isthmus.ir.graph import Loc
from isthmus.ir.types import BF16
from isthmus.passes.numerics import relative_error
from tests.support.torch_modules import Module, UNet


class Nested(Module):
    """Lists and dicts in and out, an option that is no tensor, and something that is returned as None."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Linear(4, 4)

    def forward(self, x: Any, others: Any, *, table: Any, twice: bool = False) -> Any:
        y = self.scale(x) + others[0] - others[1]
        return {"sum": y * (2 if twice else 1), "parts": (table["left"] + 1, None, [y.mean()]), "rows": x.shape[0]}


def shapes(graph: isthmus.Graph) -> list[str]:
    return [f"{v.name}: {v.type}" for v in graph.inputs]


def test_names_of_inputs_and_outputs() -> None:
    spec = {
        "x": ("N:1..32", 4),
        "others": [("N", 4), "f32[4]"],
        "table": {"left": "i64[N, 3]"},
        "twice": True,
    }
    graph = isthmus.import_model(Nested(), inputs=spec)
    assert shapes(graph) == ["x: f32[N, 4]", "others_0: f32[N, 4]", "others_1: f32[4]", "table_left: i64[N, 3]"]
    assert graph.output_names == ("sum", "parts_0", "parts_2_0", "rows")
    x = np.ones((5, 4), np.float32)
    found = evaluate(graph, {"x": x, "others_0": x, "others_1": x[0], "table_left": np.ones((5, 3), np.int64)})
    assert found["rows"] == 5
    assert np.array_equal(found["parts_0"], np.full((5, 3), 2))


def test_no_output_is_lost() -> None:
    class Alike(Module):
        def forward(self, x: torch.Tensor) -> dict[str, Any]:
            return {"a_b": x, "a": {"b": x + 1}}

    assert isthmus.import_model(Alike(), inputs={"x": (2,)}).output_names == ("a_b", "a_b_1")

    class Places(Module):
        def forward(self, x: torch.Tensor) -> Any:
            return nn.functional.adaptive_max_pool2d(x, 3, return_indices=True)

    with pytest.raises(UnsupportedModel, match="adaptive_max_pool2d"):
        isthmus.import_model(Places(), inputs={"x": (1, 2, 8, 8)})


@pytest.mark.filterwarnings("ignore:The use of `x.T`")
def test_all_axes_are_reversed() -> None:
    class Reversed(Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.T

    x = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    graph = isthmus.import_model(Reversed(), inputs={"x": x})
    assert np.array_equal(evaluate(graph, {"x": x})["output"], x.T)


def test_asking_whether_a_free_size_is_one() -> None:
    class Asks(Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2 if x.shape[0] == 1 else x * 3

    with pytest.warns(UserWarning, match=r"test_modules.py:\d+ asks whether"):
        isthmus.import_model(Asks(), inputs={"x": ("N:1..8", 3)})
    isthmus.import_model(Asks(), inputs={"x": ("N:2..8", 3)})


def test_any_size_is_never_fixed_silently() -> None:
    class Fixes(Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.view(2, 3) * 1

    with pytest.raises(UnsupportedModel, match="constant"):
        isthmus.import_model(Fixes(), inputs={"x": (None, 3)})


def test_bounds_of_symbols() -> None:
    graph = isthmus.import_model(UNet(3, 2, 4), inputs={"x": ("N:1..32", 3, 64, 64)})
    (low_high,) = [(s.low, s.high) for s in graph.inputs[0].type.symbols()]
    assert low_high == (1, 32)


def test_sizes_that_are_tied_by_the_model() -> None:
    """Two levels of pooling and a concatenation: height and width are multiples of four."""
    module = UNet(3, 2, 4).eval()
    graph = isthmus.import_model(module, inputs={"x": ("N:1..8", 3, "H:16..96", "W:16..96")})
    assert shapes(graph) == ["x: f32[N, 3, H, W]"]
    for size in ((1, 3, 16, 40), (3, 3, 32, 20)):
        x = np.random.default_rng(0).standard_normal(size).astype(np.float32)
        with torch.no_grad():
            expected = module(torch.from_numpy(x)).numpy()
        assert relative_error(evaluate(graph, {"x": x})["output"], expected) < 1e-5


class Pyramid(Module):
    """Five halvings, down to one pixel, and back to the image's own size."""

    def __init__(self, mode: str, align: bool | None) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Conv2d(3, 3, 3, stride=2, padding=1) for _ in range(5)))
        self.options: dict[str, Any] = {"mode": mode, "align_corners": align}

    def forward(self, x: Any) -> Any:
        return x + nn.functional.interpolate(self.layers(x), x.shape[-2:], **self.options)


@pytest.mark.parametrize(
    ("mode", "align"), [("bilinear", False), ("bilinear", True), ("nearest", None), ("nearest-exact", None)]
)
def test_resampling_by_symbolic_sizes(mode: str, align: bool | None) -> None:
    torch.manual_seed(0)
    module = Pyramid(mode, align).eval()
    graph = isthmus.import_model(module, inputs={"x": ("N:1..8", 3, "H:16..96", "W:16..96")})
    assert shapes(graph) == ["x: f32[N, 3, H, W]"]
    for size in ((1, 3, 16, 64), (2, 3, 96, 37), (1, 3, 32, 33)):
        x = np.random.default_rng(0).standard_normal(size).astype(np.float32)
        with torch.no_grad():
            expected = module(torch.from_numpy(x)).numpy()
        assert relative_error(evaluate(graph, {"x": x})["output"], expected) < 1e-5


@pytest.mark.parametrize(("size", "fix"), [("N:1..32", "max=4"), ("N:1..", "max=4")])
def test_sizes_that_the_model_bounds(size: str, fix: str) -> None:
    class Bounded(Module):
        def forward(self, x: Any) -> Any:
            return x * 2 if x.shape[0] > 4 else x[:1]

    with pytest.raises(BadInput, match=rf"does not work for all sizes that inputs= asks for: N = Dim\('N', .*{fix}"):
        isthmus.import_model(Bounded(), inputs={"x": (size, 3)})


def test_inputs_by_position_and_by_example() -> None:
    layer = nn.Linear(4, 2)
    assert shapes(isthmus.import_model(layer, inputs=(torch.zeros(3, 4),))) == ["input: f32[3, 4]"]
    pair = (torch.zeros(3, 4), ("N:1..8", 4))
    assert shapes(isthmus.import_model(layer, inputs={"input": pair})) == ["input: f32[N, 4]"]
    assert shapes(isthmus.import_model(layer, inputs={"input": np.zeros((2, 4), np.float32)})) == ["input: f32[2, 4]"]


def test_any_size() -> None:
    graph = isthmus.import_model(nn.Linear(4, 2), inputs={"input": (None, 4)})
    assert len(graph.inputs[0].type.symbols()) == 1


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (None, "does not say what it is called with"),
        ({"z": ("N", 4)}, "inputs do not fit"),
        ({"input": "q8[3]"}, "no element type 'q8'"),
        ({"input": ("N:4..2", 4)}, "cannot lie in"),
        ({"input": ("no-name", 4)}, "is no dimension"),
        ({"input": object()}, "is no input"),
        ({"input": (torch.zeros(3, 4), ("N",))}, "has rank 2"),
    ],
)
def test_bad_inputs(inputs: Any, reason: str) -> None:
    with pytest.raises(isthmus.IsthmusError, match=reason):
        isthmus.import_model(nn.Linear(4, 2), inputs=inputs)


def test_a_size_that_the_model_fixes() -> None:
    class Fixed(Module):
        def forward(self, x: Any) -> Any:
            return x * 2 if x.shape[1] == 9 else x

    with pytest.raises(BadInput, match="fixes sizes that inputs= leaves free: W = 9"):
        isthmus.import_model(Fixed(), inputs={"x": (7, "W:8..9")})


def test_control_flow_that_cannot_be_traced() -> None:
    class ByData(Module):
        def forward(self, x: Any) -> Any:
            return x * 2 if x.sum() > 0 else x

    with pytest.raises(UnsupportedModel, match="cannot trace the module"):
        isthmus.import_model(ByData(), inputs={"x": ("N", 4)})


def test_unsupported_ops_are_listed_with_module_and_line() -> None:
    class Inner(Module):
        def forward(self, x: Any) -> Any:
            return torch.linalg.inv(x)

    class Outer(Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = Inner(), Inner()

        def forward(self, x: Any) -> Any:
            return self.first(x) + self.second(x) + torch.fft.fft(x).real

    with pytest.raises(UnsupportedOps) as caught:
        isthmus.import_model(Outer(), inputs={"x": (3, 3)})
    text = str(caught.value)
    assert (
        "aten::linalg_inv_ex (a matrix is decomposed or solved for, which no op of the IR does): 2 nodes (first/"
        in text
    )
    assert "aten::_fft_r2c (complex numbers, which the IR lacks): 1 node (_fft_r2c" in text
    assert "test_modules.py:" in text


def test_module_paths_are_locations() -> None:
    graph = isthmus.import_model(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), inputs={"input": ("N", 4)})
    (relu,) = [node for node in graph.nodes if node.op.name == "relu"]
    assert relu.loc == Loc("torch", ("1/relu",))


def test_weights_are_views_and_tied_weights_are_one_constant() -> None:
    class Tied(Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(10, 4)
            self.head = nn.Linear(4, 10, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, ids: Any) -> Any:
            return self.head(self.embedding(ids))

    module = Tied()
    graph = isthmus.import_model(module, inputs={"ids": "i64[N, 3]"})
    constants = [node.attrs["data"] for node in graph.nodes if node.op.name == "const" and node.result.rank == 2]
    assert len({id(each) for each in constants}) == 1
    assert np.shares_memory(constants[0].array, module.embedding.weight.detach().numpy())


def test_narrow_weights_keep_their_type() -> None:
    layer = nn.Linear(4, 2).to(torch.bfloat16)
    graph = isthmus.import_model(layer, inputs={"input": "bf16[N, 4]"})
    weights = {node.result.name: node.attrs["data"] for node in graph.nodes if node.op.name == "const"}
    assert weights["weight"].type.dtype == BF16
    assert np.array_equal(weights["weight"].array.astype(np.float32), layer.weight.detach().float().numpy())


def test_training_modes_come_back() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.BatchNorm1d(4))
    module[2].eval()
    graph = isthmus.import_model(module, inputs={"input": ("N", 4)})
    assert "random_uniform" not in str(graph)
    assert [each.training for each in module] == [True, True, False]


@pytest.mark.parametrize("write", ["fresh", "view", "later"])
def test_writing_into_tensors(write: str) -> None:
    """What torch writes in place is seen by everything that shares the memory."""

    class Writing(Module):
        def forward(self, x: Any) -> Any:
            y = x * 2
            if write == "view":
                y[:, 0].add_(1)
                return y
            if write == "later":
                z = y.relu_()
                return y + z
            return y.relu_() + x

    module, x = Writing(), np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    graph = isthmus.import_model(module, inputs={"x": ("N", 4)})
    assert np.allclose(evaluate(graph, {"x": x})["output"], module(torch.from_numpy(x)).numpy())


def test_importing_isthmus_imports_no_torch() -> None:
    code = "import sys, isthmus; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
