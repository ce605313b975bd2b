"""The store of built engines: whole entries or none."""

from __future__ import annotations

import gc
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from isthmus.backends.store import Store
from isthmus.ir.errors import BadArgument, FileFailed


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
    own = [folder / "notes.txt", folder / "notes.json"]
    for path in own:
        path.write_text("{}")
    saved = Store(None, also=[folder])
    saved.save(folder, ["b"])
    assert sorted(path.name for path in folder.iterdir()) == ["b.engine", "b.json", "notes.json", "notes.txt"]
    assert saved.find("b") is not None
    for path in own:
        path.unlink()
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


@pytest.mark.parametrize("given", [5, ""])
def test_what_is_no_path_is_told(given: Any) -> None:
    with pytest.raises(BadArgument, match="cache_dir is"):
        Store(given)


def test_engines_that_are_gone_are_warned_of(tmp_path: Path) -> None:
    """As where another program has been saved over the one that this came from."""
    folder = tmp_path / "m.isth.engines"
    Store(tmp_path / "cache").keep("a", built(tmp_path), {})
    Store(tmp_path / "cache").save(folder, ["a"])
    loaded = Store(None, also=[folder])
    Store(tmp_path / "cache").save(folder, [])
    with pytest.warns(UserWarning, match="1 of 1 engines are no longer where they were"):
        loaded.save(tmp_path / "n.isth.engines", ["a"])


def test_threads_may_keep_the_same_entry(tmp_path: Path) -> None:
    failed: list[FileFailed] = []

    def work(number: int) -> None:
        own = tmp_path / str(number)
        own.mkdir()
        for _ in range(50):
            try:
                Store(tmp_path / "cache").keep("key", built(own), {})
            except FileFailed as error:
                failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["key.engine", "key.json"]
