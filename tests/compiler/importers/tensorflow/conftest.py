"""Where models that are stored compressed, or without weights, are written out."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests of a process."""
    return tmp_path_factory.mktemp("models")
