"""The store of built engines: whole entries or none."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

from isthmus.backends.store import Store
from isthmus.ir.errors import FileFailed


def built(folder: Path, contents: bytes = b"engine") -> Path:
    file = folder / "built.engine"
    file.write_bytes(contents)
    return file


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    assert store.find("key") is None
    store.keep("key", built(tmp_path), {"layers": 3})
    entry = Store(tmp_path / "cache").find("key")
    assert entry is not None
    assert (entry.file.read_bytes(), entry.facts) == (b"engine", {"layers": 3})
    assert not (tmp_path / "built.engine").exists()


@pytest.mark.parametrize("damage", ["bytes", "size", "record", "facts", "gone", "elsewhere"])
def test_damaged_entries_are_not_there(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path / "cache")
    file = store.keep("key", built(tmp_path), {}).file
    record = file.with_suffix(".json")
    facts = json.loads(record.read_text())
    match damage:
        case "bytes":
            file.write_bytes(b"Engine")
        case "size":
            file.write_bytes(b"engine!")
        case "record":
            record.write_text("{")
        case "facts":
            record.write_text(json.dumps(facts | {"facts": 3}))
        case "gone":
            file.unlink()
        case "elsewhere":
            built(tmp_path)
            file.unlink()
            record.write_text(json.dumps(facts | {"file": "../built.engine"}))
    assert store.find("key") is None
    store.keep("key", built(tmp_path), {})
    assert store.find("key") is not None


def test_other_folders_are_looked_in(tmp_path: Path) -> None:
    Store(tmp_path / "saved").keep("key", built(tmp_path), {})
    store = Store(tmp_path / "cache", also=[tmp_path / "missing", tmp_path / "saved"])
    entry = store.find("key")
    assert entry is not None
    assert entry.file.parent == tmp_path / "saved"


def test_saving_copies_what_is_wanted_and_drops_the_rest(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    for key in ("a", "b"):
        store.keep(key, built(tmp_path, key.encode()), {})
    folder = tmp_path / "saved"
    store.save(folder, ["a", "b"])
    (folder / "notes.txt").write_text("the user's own")
    saved = Store(None, also=[folder])
    saved.save(folder, ["b"])
    assert sorted(path.name for path in folder.iterdir()) == ["b.engine", "b.json", "notes.txt"]
    assert saved.find("b") is not None
    (folder / "notes.txt").unlink()
    saved.save(folder, [])
    assert not folder.exists()


def test_a_store_without_a_folder_leaves_nothing(tmp_path: Path) -> None:
    store = Store()
    folder = store.keep("key", built(tmp_path), {}).file.parent
    assert folder.is_dir()
    del store
    gc.collect()
    assert not folder.exists()


def test_folders_that_cannot_be_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileFailed, match="no folder for engines"):
        Store(tmp_path / "file").find("key")
