"""Temporary folders, also of processes that were killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isthmus.backends.scratch import Scratch, scratch
from isthmus.ir.errors import FileFailed


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def age(folder: Path) -> None:
    """Make a folder look as if it had been made an hour ago."""
    before = time.time() - 3600
    os.utime(folder, (before, before))


def test_a_folder_is_there_for_its_block(place: Path) -> None:
    with scratch("build") as folder:
        (folder / "file").write_text("")
        assert folder.parent == place
    assert not list(place.iterdir())


def test_what_a_killed_process_left_is_removed(place: Path) -> None:
    text = "import os; from isthmus.backends.scratch import Scratch; Scratch('build'); os.kill(os.getpid(), 9)"
    environment = os.environ | {"TMPDIR": str(place), "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
    subprocess.run([sys.executable, "-c", text], env=environment, check=False)
    (left,) = place.iterdir()
    mine, other = Scratch("build"), Scratch("engines")
    for folder in (left, mine.path, other.path):
        age(folder)
    (place / "isthmus-build-of-somebody").mkdir()
    age(place / "isthmus-build-of-somebody")
    Scratch("build").remove()
    assert not left.exists()
    assert mine.path.exists()
    assert other.path.exists()
    assert (place / "isthmus-build-of-somebody").exists()
    mine.remove()
    other.remove()


def test_without_a_place_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(FileFailed, match="temporary files") as caught, scratch("build"):
        pass
    assert "TMPDIR" in caught.value.hint
