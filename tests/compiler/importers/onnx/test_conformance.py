"""ONNX's own test suite: whatever is imported computes what ONNX says, and no case fails in any other way."""

from __future__ import annotations

import pytest

from tests.compiler.importers.onnx.backend_suite import Case, node_cases, run, stored_cases


@pytest.mark.parametrize(
    ("kind", "reached"), [("node", 1662), ("simple", 15), ("pytorch-operator", 35), ("pytorch-converted", 82)]
)
def test_backend_suite(kind: str, reached: int) -> None:
    cases = node_cases() if kind == "node" else stored_cases(kind)
    outcome = run(cases)
    assert outcome.failed == {}
    assert len(outcome.passed) >= reached, outcome.unsupported.most_common()


def test_a_wrong_result_would_be_seen() -> None:
    case = next(iter(stored_cases("pytorch-operator")))
    (inputs, outputs), *_ = case.data
    outputs[0].raw_data = bytes(len(outputs[0].raw_data))
    outcome = run([Case(case.name, case.model, [(inputs, outputs)])])
    assert "Not equal to tolerance" in outcome.failed[case.name]
