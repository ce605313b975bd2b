"""Temporary folders that do not outlive their process for long, however it ended.

Each is named after what it is for and holds a file that its process keeps locked. What a process that was killed has
left behind is removed by the next one that needs such a folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isthmus.ir.errors import FileFailed

try:
    import fcntl
except ImportError:  # Windows, where folders of processes that were killed stay
    fcntl = None  # type: ignore[assignment]

_LOCK = ".lock"
_SETTLED_SECONDS = 60.0
"""A folder younger than this may be one whose process has yet to lock it."""


class Scratch:
    """A folder that exists until `remove`, or until its process has ended and another one needs such a folder."""

    def __init__(self, purpose: str) -> None:
        """FileFailed where there is no place for temporary files."""
        prefix = f"isthmus-{purpose}-"
        try:
            self.path = Path(tempfile.mkdtemp(prefix=prefix))
            self._lock = _locked(self.path)
        except OSError as error:
            raise FileFailed(f"no folder for temporary files can be made: {error}", hint="set TMPDIR") from error
        _sweep(self.path.parent, prefix)

    def remove(self) -> None:
        """Remove the folder and all in it."""
        if self._lock is not None:
            os.close(self._lock)
        shutil.rmtree(self.path, ignore_errors=True)


@contextmanager
def scratch(purpose: str) -> Iterator[Path]:
    """A folder while the block runs. FileFailed where there is no place for temporary files."""
    made = Scratch(purpose)
    try:
        yield made.path
    finally:
        made.remove()


def _locked(folder: Path) -> int | None:
    """The descriptor of the folder's lock; None where there are no locks, and nothing is removed."""
    if fcntl is None:
        return None
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:
        os.close(lock)
        (folder / _LOCK).unlink()
        return None
    return lock


def _sweep(place: Path, prefix: str) -> None:
    """Remove the folders of processes that have ended."""
    if fcntl is None:
        return
    for folder in place.glob(f"{prefix}*"):
        try:
            if time.time() - folder.stat().st_mtime < _SETTLED_SECONDS:
                continue
            with open(folder / _LOCK, "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # in use, of another user, or gone by now
            continue
