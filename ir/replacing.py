"""Files that appear whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file beside `path`, then give it that name.

    A reader of the old file, this process included, keeps it, and writers in threads or processes do not meet. What
    `write` raises comes through, with nothing left behind.
    """
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
