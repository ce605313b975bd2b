"""Structural equality: what counts as the same attribute, and how a difference is told."""

from __future__ import annotations

import pytest

from isthmus.ir import difference, parse


def _leaky(slope: str) -> str:
    return f"graph @g(%x: f32[N]) {{\n %a: f32[N] = leaky_relu(%x) {{slope = {slope}}}\n return %a\n}}"


@pytest.mark.parametrize("slope", ["nan", "0.0", "-0.0", "inf", "0.5"])
def test_equal_floats_are_equal(slope: str) -> None:
    assert difference(parse(_leaky(slope)), parse(_leaky(slope))) is None


@pytest.mark.parametrize(("a", "b"), [("0.0", "-0.0"), ("nan", "0.0"), ("0.5", "0.25"), ("inf", "-inf")])
def test_other_floats_are_told(a: str, b: str) -> None:
    assert "attributes" in (difference(parse(_leaky(a)), parse(_leaky(b))) or "")
