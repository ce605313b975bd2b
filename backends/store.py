"""Built engines on disk by key, so that what was built once is not built again.

An entry is a file and the facts that were found while it was built, in `KEY` with the file's own suffix and in
`KEY.json`. The second is written last and holds the size and the hash of the first: an entry is there whole or not at
all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from isthmus.ir.errors import FileFailed

_CHUNK = 1 << 24


@dataclass(frozen=True)
class Entry:
    """One built engine."""

    key: str
    file: Path
    facts: Mapping[str, Any]
    """What the builder of this engine wants to know again, as it came out of JSON."""


class Store:
    """A folder that receives entries, and folders that are only looked in. Processes may share them."""

    def __init__(self, folder: str | os.PathLike[str] | None = None, also: Iterable[Path] = ()) -> None:
        """Without a folder, one is made when it is needed, and removed with the last reference to the store."""
        self._given = None if folder is None else Path(folder)
        self._also = tuple(also)

    @cached_property
    def folder(self) -> Path:
        """Where entries are put. Raises FileFailed where it cannot be made."""
        try:
            if self._given is not None:
                self._given.mkdir(parents=True, exist_ok=True)
                return self._given
            made = tempfile.mkdtemp(prefix="isthmus-engines-")
        except OSError as error:
            raise FileFailed(f"no folder for engines can be made: {error}") from error
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return Path(made)

    def find(self, key: str) -> Entry | None:
        """The entry, read through and held against its hash. None where there is none or it is damaged."""
        for folder in (self.folder, *self._also):
            if (entry := _read(folder, key)) is not None:
                return entry
        return None

    def keep(self, key: str, file: Path, facts: Mapping[str, Any]) -> Entry:
        """Move `file` into the store. Raises FileFailed where it cannot be written."""
        kept = self.folder / f"{key}{file.suffix}"
        try:
            record = {"file": kept.name, "bytes": file.stat().st_size, "sha256": _hash(file), "facts": dict(facts)}
            _replace(kept, lambda part: shutil.move(file, part))
            _replace(_record(self.folder, key), lambda part: part.write_text(json.dumps(record), "utf-8"))
        except OSError as error:
            raise FileFailed(f"engine {kept} cannot be written: {error}") from error
        return Entry(key, kept, facts)

    def save(self, folder: Path, keys: Iterable[str]) -> None:
        """Make `folder` hold these entries and no others. Without any there will be no folder. FileFailed as above."""
        entries = {key: entry for key in keys if (entry := self.find(key)) is not None}
        try:
            if folder.is_dir():
                _remove(folder, entries)
            if entries:
                folder.mkdir(exist_ok=True)
            for entry in entries.values():
                _copy(entry, folder)
        except OSError as error:
            raise FileFailed(f"engines cannot be written to {folder}: {error}") from error


def _record(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"


def _read(folder: Path, key: str) -> Entry | None:
    try:
        record = json.loads(_record(folder, key).read_text("utf-8"))
        name, size, digest, facts = record["file"], record["bytes"], record["sha256"], record["facts"]
        file = folder / Path(name).name
        if file.stat().st_size != size or _hash(file) != digest or not isinstance(facts, dict):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Entry(key, file, facts)


def _copy(entry: Entry, folder: Path) -> None:
    if entry.file.parent.resolve() == folder.resolve():
        return
    for source in (entry.file, _record(entry.file.parent, entry.key)):
        _replace(folder / source.name, lambda part, source=source: shutil.copyfile(source, part))  # type: ignore[misc]


def _remove(folder: Path, wanted: Mapping[str, Entry]) -> None:
    """Drop entries that are not wanted, and the folder if nothing is left. Files that are no entries stay."""
    for record in folder.glob("*.json"):
        if record.stem in wanted:
            continue
        for path in folder.glob(f"{record.stem}.*"):
            path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _hash(file: Path) -> str:
    state = hashlib.sha256()
    with open(file, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
