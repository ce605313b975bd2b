"""Every lowering against torch itself, on the reference evaluator: one export a family, two batch sizes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import isthmus
from isthmus.compiler.importers.torch.table import TABLE
from isthmus.ir import Graph, evaluate
from isthmus.ir.types import Array
from tests.compiler.importers.torch.aten_cases import FAMILIES, INPUTS
from tests.support.torch_modules import Module
from tests.support.torchvision_ops import define_ops

pytestmark = pytest.mark.filterwarnings("ignore:index_reduce")  # is in beta
LIMIT = 1e-5
"""Relative L2 error, and absolute error where torch's result is zero."""


class Family(Module):
    """All cases of a family at once: a dict of their results."""

    def __init__(self, family: str) -> None:
        super().__init__()
        self.cases = FAMILIES[family]

    def forward(self, tensors: dict[str, Any]) -> dict[str, Any]:
        given = SimpleNamespace(**tensors)
        return {name: case(given) for name, case in self.cases.items()}


class Flat(Family):
    """The same as a tuple: a trace keeps only plain dicts."""

    def forward(self, tensors: dict[str, Any]) -> Any:
        return tuple(torch.utils._pytree.tree_leaves(super().forward(tensors)))


def standard_inputs(batch: int) -> dict[str, Array]:
    rng = np.random.default_rng(batch)
    made: dict[str, Array] = {
        "x": rng.standard_normal((batch, 4, 6)).astype(np.float32),
        "y": rng.standard_normal((batch, 4, 6)).astype(np.float32),
        "small": rng.uniform(0.1, 0.9, (batch, 4, 6)).astype(np.float32),
        "i": rng.integers(-9, 10, (batch, 4, 6)),
        "j": rng.integers(1, 6, (batch, 4, 6)),
        "places": rng.integers(0, 4, (batch, 4, 3)),
        "m": rng.integers(0, 2, (batch, 4, 6)).astype(np.bool_),
        "image": rng.standard_normal((batch, 4, 8, 10)).astype(np.float32),
        "grid": rng.uniform(-1.1, 1.1, (batch, 5, 7, 2)).astype(np.float32),
    }
    return made


def assert_same(ours: Array, theirs: Array, name: str) -> None:
    assert ours.shape == theirs.shape, name
    assert ours.dtype == theirs.dtype, name
    if not np.issubdtype(theirs.dtype, np.floating):
        assert np.array_equal(ours, theirs), name
        return
    finite = np.isfinite(theirs)
    assert np.array_equal(ours[~finite], theirs[~finite], equal_nan=True), name
    scale = np.linalg.norm(theirs[finite].astype(np.float64)) or 1.0
    assert np.linalg.norm((ours[finite] - theirs[finite]).astype(np.float64)) / scale < LIMIT, name


@pytest.mark.parametrize("family", FAMILIES)
def test_family(family: str) -> None:
    module = Family(family)
    used = {name: spec for name, spec in INPUTS.items() if name in _names_used(family)}
    hold(isthmus.import_model(module, inputs={"tensors": used}), module, used)


def hold(graph: Graph, module: Family, used: Collection[str]) -> None:
    """The graph against the module, at sizes other than those it was traced with."""
    for batch in (1, 3):
        arrays = {name: array for name, array in standard_inputs(batch).items() if name in used}
        theirs = module({name: torch.from_numpy(array) for name, array in arrays.items()})
        flat = torch.utils._pytree.tree_leaves(theirs)
        ours = evaluate(graph, {f"tensors_{name}": array for name, array in arrays.items()})
        assert len(ours) == len(flat)
        for (name, array), expected in zip(ours.items(), flat, strict=True):
            assert_same(array, np.asarray(expected), f"{name} at batch {batch}")


TRACED = ("selection", "scans", "counting", "bags", "scattering", "signs")
"""Families that torch.jit.trace can follow as a whole."""


@pytest.mark.filterwarnings("ignore")  # the tracer's, about every size that it takes for a number
@pytest.mark.parametrize("family", TRACED)
def test_family_as_a_script(family: str) -> None:
    module = Family(family)
    names = _names_used(family)
    arrays = {name: torch.from_numpy(array) for name, array in standard_inputs(2).items() if name in names}
    script = torch.jit.trace(Flat(family), (arrays,), strict=False, check_trace=False)
    used = {name: spec for name, spec in INPUTS.items() if name in names}
    graph = isthmus.import_model(script, inputs={"tensors": used})
    hold(graph, module, used)


def _names_used(family: str) -> set[str]:
    """The standard inputs that a family's cases read."""
    seen: set[str] = set()
    arrays = standard_inputs(2)

    class Watch:
        def __getattr__(self, name: str) -> Any:
            seen.add(name)
            return torch.from_numpy(arrays[name].copy())

    for case in FAMILIES[family].values():
        case(Watch())
    return seen


def test_signatures_are_schemas() -> None:
    """Lowerings take nothing that no overload of their ops has."""
    define_ops()
    known: dict[str, set[str]] = defaultdict(lambda: {"x"})
    taken: dict[str, set[str]] = defaultdict(set)
    for op, row in TABLE.rows.items():
        if row.rest:
            continue
        namespace, _, name = op.rpartition("::")
        name, _, overload = name.partition(".")
        packet = getattr(getattr(torch.ops, namespace or "aten"), name)
        function = f"{row.function.__module__}.{row.function.__qualname__}"
        for each in [overload] if overload else packet.overloads():
            known[function] |= {argument.name for argument in getattr(packet, each)._schema.arguments}
        taken[function] |= set(row.parameters)
    assert {name: extra for name in taken if (extra := taken[name] - known[name])} == {}
