"""A hash of our own code: what other code built is another engine, and is not taken from a store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path


@cache
def digest(*sources: Path) -> str:
    """SHA-256 of Python files; a folder stands for all in it, at any depth."""
    state = hashlib.sha256()
    for path in sorted(file for source in sources for file in files(source)):
        state.update(path.read_bytes())
    return state.hexdigest()


def files(source: Path) -> Iterable[Path]:
    """The Python files that a path stands for."""
    return source.rglob("*.py") if source.is_dir() else [source]
