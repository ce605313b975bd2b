"""Targets by name."""

from __future__ import annotations

import pytest

from isthmus.backends.table import backend_called
from isthmus.compiler.target import FAMILIES, REFERENCE, Family, Target, all_targets, parse_target
from isthmus.ir.errors import UnknownTarget


def test_names_round_trip() -> None:
    targets = list(all_targets())
    names = [str(target) for target in targets]
    assert len(set(names)) == len(names)
    for target, name in zip(targets, names, strict=True):
        assert parse_target(name) == target
        if "@" not in name:
            assert parse_target(f"{name}@{target.backend}") == target


def test_every_target_has_a_backend() -> None:
    for target in all_targets():
        assert backend_called(target.backend).name == target.backend


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("reference", REFERENCE),
        ("cpu-bf16", Target("cpu", "bf16", "openvino")),
        ("cpu-fp32@tvm", Target("cpu", "fp32", "tvm")),
        ("cpu-bf16@tvm", Target("cpu", "bf16", "tvm")),
        ("cuda-fp16", Target("cuda", "fp16", "tensorrt")),
        ("cuda-sm89-bf16@tensorrt", Target("cuda", "bf16", "tensorrt", "sm89")),
        ("cuda-sm75-fp16", Target("cuda", "fp16", "tensorrt", "sm75")),
    ],
)
def test_parts(name: str, target: Target) -> None:
    assert parse_target(name) == target
    assert target.build_precision == {"bf16": "bf16", "fp16": "f16"}.get(target.precision, "f32")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("cuda-sm88-fp16", "cuda-sm89-fp16"),
        ("cuda-fp61", "cuda-fp16"),
        ("cpu-fp16@openvin", "cpu-fp16"),
        ("cuda-sm75-bf16", "cuda-sm75-fp16"),
        ("refrence", "reference"),
    ],
)
def test_unknown_parts_get_a_suggestion(name: str, near: str) -> None:
    with pytest.raises(UnknownTarget) as caught:
        parse_target(name)
    assert f"did you mean {near!r}?" in caught.value.hint
    assert all(str(family) in caught.value.hint for family in FAMILIES)


def test_a_name_that_another_backend_serves_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Family("cuda", "tvm", ("sm89", "sm90"), ("fp16",))
    monkeypatch.setattr("isthmus.compiler.target.FAMILIES", (*FAMILIES, other))
    with pytest.raises(UnknownTarget) as caught:
        parse_target("cuda-sm90-fp16")
    assert "did you mean 'cuda-sm90-fp16@tvm'?" in caught.value.hint
    assert str(parse_target("cuda-sm89-fp16@tvm")) == "cuda-sm89-fp16@tvm"
    assert parse_target("cuda-sm89-fp16").backend == "tensorrt"
