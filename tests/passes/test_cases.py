"""Every `.cases` file of this folder, and whether they cover every rule."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from isthmus.passes.cases import Case, read_cases, run_case
from isthmus.passes.rules import shipped

_CASES = [case for path in sorted(Path(__file__).parent.glob("*.cases")) for case in read_cases(path)]


@pytest.mark.parametrize("case", _CASES, ids=str)
def test_case(case: Case) -> None:
    run_case(case)


def test_every_rule_fires_in_some_case() -> None:
    fired = sum((run_case(case) for case in _CASES if case.reason is None), Counter())
    assert [rule.name for rule in shipped() if rule.name not in fired] == []


def test_every_condition_refuses_in_some_case() -> None:
    refused = {case.rule for case in _CASES if case.reason is not None}
    assert [rule.name for rule in shipped() if rule.where is not None and rule.name not in refused] == []


def test_rule_names_are_unique() -> None:
    names = Counter(rule.name for rule in shipped())
    assert [name for name, count in names.items() if count > 1] == []
