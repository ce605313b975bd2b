"""These tests run where torch is installed: `pip install -e '.[dev,dev-torch]'`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]


def pytest_report_header() -> str | None:
    """Says that the tests are absent, so that nobody takes their silence for success."""
    return None if find_spec("torch") else "torch is not installed: tests/compiler/importers/torch is left out"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them, so that `-m torch` and `-m 'not torch'` choose."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.torch)
