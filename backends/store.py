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
import warnings
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from isthmus.backends.scratch import Scratch
from isthmus.ir.errors import BadArgument, FileFailed
from isthmus.ir.replacing import replace_file

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
        """Without a folder, one is made when it is needed, and removed with the last reference to the store.

        BadArgument for what is no path.
        """
        if folder is not None and (not isinstance(folder, str | os.PathLike) or not str(folder)):
            raise BadArgument(f"cache_dir is {folder!r}", hint="give the path of a folder, or None")
        self._given = None if folder is None else Path(folder)
        self._also = tuple(also)

    @cached_property
    def folder(self) -> Path:
        """Where entries are put. Raises FileFailed where it cannot be made."""
        if self._given is None:
            made = Scratch("engines")
            weakref.finalize(self, made.remove)
            return made.path
        try:
            self._given.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileFailed(f"no folder for engines can be made: {error}") from error
        return self._given

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
            replace_file(kept, lambda part: shutil.move(file, part))
            replace_file(_record(self.folder, key), lambda part: part.write_text(json.dumps(record), "utf-8"))
        except OSError as error:
            raise FileFailed(f"engine {kept} cannot be written: {error}") from error
        return Entry(key, kept, facts)

    def save(self, folder: Path, keys: Iterable[str]) -> None:
        """Make `folder` hold these entries and no others. Without any there will be no folder. FileFailed as above.

        Warns of entries that are gone: another program may have been saved over the one they came from.
        """
        found = {key: self.find(key) for key in keys}
        entries = {key: entry for key, entry in found.items() if entry is not None}
        if len(entries) < len(found):
            gone = f"{len(found) - len(entries)} of {len(found)} engines are no longer where they were"
            warnings.warn(f"{gone}: {folder} lacks them, and loading the program builds them again", stacklevel=3)
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
    if (record := _parsed(_record(folder, key))) is None:
        return None
    file = folder / record["file"]
    try:
        whole = file.stat().st_size == record["bytes"] and _hash(file) == record["sha256"]
    except OSError:
        return None
    return Entry(key, file, record["facts"]) if whole else None


def _parsed(path: Path) -> dict[str, Any] | None:
    """What the record of an entry says; None for any other file."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    match record:
        case {"file": str(name), "bytes": int(), "sha256": str(), "facts": dict()} if Path(name).stem == path.stem:
            return {**record, "file": Path(name).name}
    return None


def _copy(entry: Entry, folder: Path) -> None:
    if entry.file.parent.resolve() == folder.resolve():
        return
    for source in (entry.file, _record(entry.file.parent, entry.key)):
        replace_file(folder / source.name, lambda part, source=source: shutil.copyfile(source, part))  # type: ignore[misc]


def _remove(folder: Path, wanted: Mapping[str, Entry]) -> None:
    """Drop entries that are not wanted, and the folder if nothing is left. Files that are no entries stay."""
    for path in folder.glob("*.json"):
        if path.stem not in wanted and (record := _parsed(path)) is not None:
            (folder / record["file"]).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _hash(file: Path) -> str:
    state = hashlib.sha256()
    with open(file, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()
