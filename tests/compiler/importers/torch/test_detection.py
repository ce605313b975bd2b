"""torchvision's ops for detection, against their definition: exported, traced and scripted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import isthmus
from isthmus.ir import evaluate
from isthmus.ir.errors import UnsupportedOps
from isthmus.ir.types import Array
from tests.compiler.importers.torch.test_aten import assert_same
from tests.support.torch_modules import Module
from tests.support.torchvision_ops import define_ops

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
define_ops()
BOXES = {"boxes": "f32[K:0..64, 4]", "scores": "f32[K]"}
REGIONS = {"x": "f32[N:1..4, 3, H:4..32, W:4..32]", "rois": "f32[K:0..64, 5]"}
WAYS = ("export", "trace", "script")


class Suppressed(Module):
    """What is kept, and what it is used for."""

    def forward(self, boxes: torch.Tensor, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        kept = torch.ops.torchvision.nms(boxes, scores, 0.3)
        return kept, boxes[kept]


class SuppressedByClass(Module):
    """torchvision.ops.batched_nms: boxes of different classes are moved apart."""

    def forward(self, boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        apart = classes.to(boxes) * (boxes.max() + torch.tensor(1).to(boxes))
        return torch.ops.torchvision.nms(boxes + apart[:, None], scores, 0.3)


class Regions(Module):
    """Fixed and adaptive numbers of samples."""

    def forward(self, x: torch.Tensor, rois: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        fixed = torch.ops.torchvision.roi_align(x, rois, 0.5, 2, 3, 2, False)
        adaptive = torch.ops.torchvision.roi_align(x, rois, 0.5, 2, 2, -1, True)
        return fixed, adaptive, torch.ops.torchvision.roi_align(x, rois, 0.25, 2, 1, 0, False)


class Deformed(Module):
    """Grouped twice over, with and without a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.cos(torch.arange(48.0)).view(6, 2, 2, 2))
        self.bias = torch.nn.Parameter(torch.arange(6.0))

    def forward(self, x: torch.Tensor, moves: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        op = torch.ops.torchvision.deform_conv2d
        masked = op(x, self.weight, moves, mask, self.bias, 2, 1, 1, 2, 1, 2, 2, 2, True)
        return masked, op(x, self.weight, moves, mask, self.bias, 2, 1, 1, 2, 1, 2, 2, 2, False)


def boxes(count: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 10, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(0.5, 5, (count, 2))], 1).astype(np.float32)


def scores(count: int) -> Array:
    """Many are equal, some infinite or no number: they only decide on the order."""
    found = np.random.default_rng(1).integers(0, 4, count).astype(np.float32)
    found[::5], found[1::7], found[2::9] = -np.inf, np.inf, np.nan
    return found


def regions(count: int) -> Array:
    """Some reach out of the image, and one has no area."""
    found = boxes(count, 2) * 3 - 4
    found[-1:, 2:] = found[-1:, :2]
    return np.concatenate([np.arange(count, dtype=np.float32)[:, None] % 2, found], 1)


def data(*shape: int) -> Array:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def imported(module: Any, way: str, inputs: dict[str, str], example: tuple[Array, ...]) -> Any:
    if way == "trace":
        module = torch.jit.trace(module, tuple(map(torch.from_numpy, example)), check_trace=False)
    elif way == "script":
        module = torch.jit.script(module)
    return isthmus.import_model(module, inputs=inputs)


CASES: dict[str, tuple[Callable[[], Any], dict[str, str], list[tuple[Array, ...]]]] = {
    "nms": (Suppressed, BOXES, [(boxes(n), scores(n)) for n in (20, 1, 0)]),
    "nms_by_class": (
        SuppressedByClass,
        {"boxes": "f32[K:1..64, 4]", "scores": "f32[K]", "classes": "i64[K]"},
        [(boxes(n), scores(n), np.arange(n) % 3) for n in (24, 1)],
    ),
    "roi_align": (Regions, REGIONS, [(data(2, 3, 8, 10), regions(n)) for n in (3, 1, 0)]),
    "deform_conv2d": (
        Deformed,
        {"x": "f32[N:1..4, 4, 4, 5]", "moves": "f32[N, 16, 3, 7]", "mask": "f32[N, 8, 3, 7]"},
        [(data(n, 4, 4, 5), 2 * data(n, 16, 3, 7), data(n, 8, 3, 7)) for n in (2, 1)],
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_agrees(case: str, way: str) -> None:
    make, inputs, calls = CASES[case]
    module = make().eval()
    graph = imported(module, way, inputs, calls[0])
    for arrays in calls:
        with torch.no_grad():
            theirs = torch.utils._pytree.tree_leaves(module(*map(torch.from_numpy, arrays)))
        for ours, expected in zip(evaluate(graph, list(arrays)).values(), theirs, strict=True):
            assert_same(ours, expected.numpy(), case)


@pytest.mark.parametrize("case", ["roi_align", "deform_conv2d"])
def test_on_the_engine(case: str) -> None:
    make, inputs, calls = CASES[case]
    module = make().eval()
    program = isthmus.compile(imported(module, "export", inputs, calls[0]), target="cpu-fp32")
    with torch.no_grad():
        theirs = module(*map(torch.from_numpy, calls[0]))
    for ours, expected in zip(program(*calls[0]).values(), theirs, strict=True):
        assert_same(ours, expected.numpy(), case)


def test_suppression_on_the_engine() -> None:
    """Its sort lets NaN lose: scores are numbers here."""
    module, given = Suppressed(), (boxes(30), np.nan_to_num(scores(30), nan=2.5, posinf=np.inf, neginf=-np.inf))
    program = isthmus.compile(module, target="cpu-fp32", inputs={"boxes": "f32[K:1..64, 4]", "scores": "f32[K]"})
    theirs = module(*map(torch.from_numpy, given))
    for ours, expected in zip(program(*given).values(), theirs, strict=True):
        assert_same(ours, expected.numpy(), "nms")


def test_from_files(tmp_path: Path) -> None:
    """Both archives name the ops of a package that is not torch."""
    module, given = Suppressed(), (boxes(9), scores(9))
    example = tuple(map(torch.from_numpy, given))
    free = torch.export.Dim("K", min=2, max=64)
    torch.export.save(torch.export.export(module, example, dynamic_shapes=({0: free}, {0: free})), tmp_path / "n.pt2")
    torch.jit.script(module).save(tmp_path / "n.pt")
    theirs = module(*example)
    for name, inputs in (("n.pt2", None), ("n.pt", BOXES)):
        graph = isthmus.import_model(tmp_path / name, inputs=inputs)
        for ours, expected in zip(evaluate(graph, list(given)).values(), theirs, strict=True):
            assert_same(ours, expected.numpy(), name)


def test_the_reason_is_told() -> None:
    class Solved(Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.det(x) + torch.fft.rfft(x).abs().sum()

    for model in (Solved(), torch.jit.script(Solved())):
        with pytest.raises(UnsupportedOps, match="a matrix is decomposed") as caught:
            isthmus.import_model(model, inputs={"x": (4, 4)})
        assert "complex numbers" in str(caught.value)
