"""What the torch importer does without torch: reads `inputs=`, names element types, says that torch is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.compiler.importers.torch import initial_state
from isthmus.compiler.importers.torch.inputs import Leaf, Slot, example_sizes, read_inputs
from isthmus.compiler.importers.torch.schema import AtenLowering, aten
from isthmus.compiler.importers.torch.types import dtype_from, torch_name
from isthmus.ir.errors import BadInput, ImportFailed, UnsupportedModel
from isthmus.ir.types import BF16, BOOL, DTYPES, F32, I8, I64

WITHOUT_TORCH_NAME = ("i4", "u4")


def forward(x: Any, others: Any = None, *rest: Any, table: Any = None, twice: bool = False) -> None:
    """What the tests call."""


def leaves(inputs: Any) -> list[str]:
    return [f"{each.name}: {each.dtype}{list(each.dims)}" for each in read_inputs(forward, inputs).leaves]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"x": ("N:1..8", 3)}, ["x: f32[N, 3]"]),
        ({"x": "i64[N:1..8, ?]"}, ["x: i64[N, None]"]),
        ({"x": "bf16[]"}, ["x: bf16[]"]),
        ({"x": np.zeros((2, 3), np.int8)}, ["x: i8[2, 3]"]),
        ({"x": (np.zeros((2, 3)), ("N", None))}, ["x: f64[N, 3]"]),
        ([("N", 3), (4,)], ["x: f32[N, 3]", "others: f32[4]"]),
        ({"x": (2,), "others": [(3,), {"a": "bool[N]"}]}, ["x: f32[2]", "others_0: f32[3]", "others_1_a: bool[N]"]),
        ({"x": (2,), "table": {"left": "i64[3]", "right": None}}, ["x: f32[2]", "table_left: i64[3]"]),
    ],
)
def test_tensors_among_inputs(inputs: Any, expected: list[str]) -> None:
    assert leaves(inputs) == expected


def test_structure_is_kept() -> None:
    given = read_inputs(forward, {"x": (2,), "others": [(3,), None], "twice": True})
    assert given.bound.arguments == {"x": Slot(0), "others": [Slot(1), None], "twice": True}
    assert given.filled("ab") == {"x": "a", "others": ["b", None], "twice": True}
    assert given.filled("ab", constants=False) == {"x": "a", "others": ["b", None], "twice": None}


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({}, "missing a required argument: 'x'"),
        ({"z": (3,)}, "unexpected keyword argument 'z'"),
        ({"x": "q8[3]"}, "there is no element type 'q8'"),
        ({"x": object()}, "is no input"),
        ({"x": "N"}, "is no input"),
        ({"x": (np.zeros((2, 3)), (2,))}, "the example has rank 2, the shape 1"),
        ({"x": ("N:1..4", "N:1..5")}, "N is given two different ranges"),
    ],
)
def test_refused_inputs(inputs: Any, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read_inputs(forward, inputs)


def sizes(*specs: Any) -> dict[str, int]:
    return example_sizes(read_inputs(lambda *xs: None, list(specs)).leaves)


def test_example_sizes_lie_within_bounds_and_differ() -> None:
    """torch.export takes sizes below 2, and equal ones, to be fixed."""
    found = sizes(("N:1..8", 3, "H:32..512", "W:32..512"))
    assert found == {"N": 2, "H": 224, "W": 192}
    assert sizes(("N:1..1", "M:5..6"), ("K:5..6",)) == {"N": 1, "M": 6, "K": 5}


def test_an_example_decides_its_symbols() -> None:
    assert sizes((np.zeros((7, 3)), ("N", 3)), ("N", "M:3..")) == {"N": 7, "M": 224}


def test_element_types_by_torchs_names() -> None:
    assert [torch_name(t) for t in (F32, BF16, I8, I64, BOOL)] == ["float32", "bfloat16", "int8", "int64", "bool"]
    for dtype in DTYPES.values():
        if dtype.name not in WITHOUT_TORCH_NAME:
            assert dtype_from(f"torch.{torch_name(dtype)}", "x") == dtype


def test_element_types_that_are_missing() -> None:
    with pytest.raises(UnsupportedModel, match=r"weight has element type torch\.complex64"):
        dtype_from("torch.complex64", "weight")
    with pytest.raises(UnsupportedModel, match="torch has no element type i4"):
        torch_name(DTYPES["i4"])


def overload(*arguments: tuple[str, Any]) -> Any:
    """A stand-in for an OpOverload: its schema's arguments, by name, with their defaults (... for none)."""
    made = [SimpleNamespace(name=n, default_value=d, has_default_value=lambda d=d: d is not ...) for n, d in arguments]
    return SimpleNamespace(_schema=SimpleNamespace(arguments=made))


@aten("softmax")
def softmax(b: Any, x: Any, dim: int, scale: float = 1.0) -> None:
    """A lowering to bind arguments for."""


def test_arguments_are_bound_by_the_schemas_names() -> None:
    assert isinstance(softmax, AtenLowering)
    schema = overload(("self", ...), ("dim", ...), ("dtype", None), ("scale", 2.0))
    assert softmax.bind(schema, ["t", 1], {}) == (["t"], {"dim": 1, "scale": 2.0})
    assert softmax.bind(schema, ["t"], {"dim": 1, "dtype": None}) == (["t"], {"dim": 1, "scale": 2.0})


def test_arguments_that_a_lowering_lacks_are_refused_by_name() -> None:
    schema = overload(("self", ...), ("dim", ...), ("dtype", None), ("memory_format", None))
    with pytest.raises(UnsupportedModel, match="argument dtype = 'int' is not supported"):
        softmax.bind(schema, ["t", 1, "int"], {})
    assert softmax.bind(schema, ["t", 1], {"memory_format": 2}) == (["t"], {"dim": 1})


def test_leaf_without_example_has_the_type_asked_for() -> None:
    (leaf,) = read_inputs(forward, ["i64[3]"]).leaves
    assert leaf == Leaf("x", None, I64, (3,))


@pytest.mark.parametrize("ending", [".pt2", ".pt", ".jit", ".ptl"])
def test_torch_that_is_missing_is_named(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / f"net{ending}"
    path.write_bytes(b"")
    for call in (isthmus.import_model, initial_state):
        with pytest.raises(ImportFailed, match=r"torch cannot be imported") as caught:
            call(path)
        assert "pip install 'isthmus[torch]'" in str(caught.value)


def test_inputs_in_order_are_for_torch() -> None:
    with pytest.raises(BadInput, match="given by input name"):
        isthmus.import_model(b"", inputs=[(3,)])
