"""Checkpoints that lie: indices that point outside their shards, shards that are elsewhere, tables without end."""

from __future__ import annotations

import os
import shutil
import struct
import time
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.compiler.importers.tensorflow.bundle import Bundle
from isthmus.compiler.importers.tensorflow.protos import Message, make
from isthmus.compiler.importers.tensorflow.slices import parse_spec
from isthmus.compiler.importers.tensorflow.sstable import read_table
from isthmus.ir.errors import (
    ExternalDataMissing,
    ExternalDataOutside,
    ImportFailed,
    MalformedModel,
    UnsupportedModel,
)
from tests.compiler.importers.tensorflow.build import FLOAT, STRING
from tests.support.tensorflow_models import FOLDER

_HUGE = 1 << 62


# -- writing tables --------------------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def block(entries: Mapping[bytes, bytes]) -> bytes:
    """Entries that share no prefixes, and one restart point."""
    rows = b"".join(varint(0) + varint(len(k)) + varint(len(v)) + k + v for k, v in entries.items())
    return rows + struct.pack("<II", 0, 1)


def handle(offset: int, size: int) -> bytes:
    return varint(offset) + varint(size)


def table(entries: Mapping[bytes, bytes], places: list[tuple[int, int]] | None = None, compression: int = 0) -> bytes:
    """A table of one block; `places` are what its index says of where blocks lie."""
    data = block(entries) + bytes([compression]) + bytes(4)
    where = [(0, len(data) - 5)] if places is None else places
    index = block({bytes([255, i]): handle(*place) for i, place in enumerate(where)})
    footer = handle(0, 0) + handle(len(data), len(index))
    return data + index + bytes(5) + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def header(shards: int = 1, endianness: int = 0) -> bytes:
    made = make("BundleHeaderProto")
    made.num_shards, made.endianness = shards, endianness
    return bytes(made.SerializeToString())


def entry(change: Callable[[Message], object] = lambda _: None, sizes: tuple[int, ...] = (4,)) -> bytes:
    """Four floats at the beginning of shard 0, before `change`."""
    made = make("BundleEntryProto")
    made.dtype, made.size = FLOAT, 16
    for size in sizes:
        made.shape.dim.add(size=size)
    change(made)
    return bytes(made.SerializeToString())


def bundle(folder: Path, stored: bytes, head: bytes = header()) -> Bundle:
    """A checkpoint whose tensor `w` is as `stored` says, with a shard of 16 bytes."""
    (folder / "variables").mkdir(parents=True, exist_ok=True)
    prefix = folder / "variables" / "variables"
    prefix.with_name("variables.index").write_bytes(table({b"": head, b"w": stored}))
    prefix.with_name("variables.data-00000-of-00001").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    return Bundle.open(prefix)


def test_what_these_tests_write_is_a_checkpoint(tmp_path: Path) -> None:
    assert np.array_equal(bundle(tmp_path, entry()).constant("w").array, np.arange(4))


# -- entries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (lambda e: setattr(e, "offset", 4), ExternalDataMissing, r"needs bytes 4\.\.20 of .*, which has 16"),
        (lambda e: setattr(e, "offset", _HUGE), ExternalDataMissing, "which has 16"),
        (lambda e: setattr(e, "offset", -16), ExternalDataMissing, r"needs bytes -16\.\.0"),
        (lambda e: setattr(e, "size", 12), MalformedModel, "has 12 bytes in the checkpoint"),
        (lambda e: setattr(e, "size", -1), MalformedModel, "has -1 bytes"),
        (lambda e: setattr(e, "shard_id", 1), MalformedModel, "lies in shard 1 of 1"),
        (lambda e: setattr(e, "shard_id", -1), MalformedModel, "lies in shard -1 of 1"),
        (lambda e: setattr(e, "dtype", 999), MalformedModel, "no valid element type"),
        (lambda e: setattr(e, "dtype", STRING), UnsupportedModel, "string"),
        (lambda e: e.shape.dim.add(size=_HUGE), MalformedModel, "has 16 bytes"),
        (lambda e: e.shape.dim.add(size=-1), MalformedModel, "'w'"),
        (lambda e: [e.shape.dim.add(size=1) for _ in range(99)], ImportFailed, "'w'"),
        (lambda e: setattr(e.shape, "unknown_rank", True), UnsupportedModel, "'w' has no rank"),
        (lambda e: e.slices.add(), MalformedModel, "slice of rank 0 but rank 1"),
        (lambda e: e.slices.add().extent.add(start=0, length=9), MalformedModel, "does not lie in"),
        (lambda e: e.slices.add().extent.add(start=-1, length=2), MalformedModel, "does not lie in"),
        (lambda e: e.slices.add().extent.add(start=1, length=2), MalformedModel, "is not stored"),
    ],
)
def test_an_entry_that_lies_is_told(
    change: Callable[[Message], object], kind: type[ImportFailed], text: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=text):
        _ = bundle(tmp_path, entry(change)).constant("w").array


def test_a_large_tensor_of_a_small_file_takes_no_memory(tmp_path: Path) -> None:
    found = bundle(tmp_path, entry(lambda e: setattr(e, "size", 1 << 40), sizes=(1 << 38,)))
    tracemalloc.start()
    try:
        with pytest.raises(ExternalDataMissing):
            found.constant("w")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_text_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match="no text of moderate size"):
        bundle(tmp_path, entry()).text("w")

    def as_text(e: Message) -> None:
        e.dtype, e.size = STRING, 1 << 40
        del e.shape.dim[:]

    with pytest.raises(MalformedModel, match="no text of moderate size"):
        bundle(tmp_path, entry(as_text)).text("w")


@pytest.mark.parametrize(
    ("head", "kind", "text"),
    [
        (header(shards=-1), MalformedModel, "lies in shard 0 of -1"),
        (header(shards=2), ExternalDataMissing, "data-00000-of-00002, which is not there"),
        (header(endianness=1), UnsupportedModel, "big-endian"),
        (b"\xff\xff", MalformedModel, "no BundleHeaderProto"),
    ],
)
def test_a_header_that_lies_is_told(head: bytes, kind: type[ImportFailed], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=text):
        bundle(tmp_path, entry(), head).constant("w")


@pytest.mark.parametrize("text", ["4 0,9", "4 -1,2", "4 0,2:0,2", "x 0,2", "4 0;2", "4 4611686018427387904,1", "0,2"])
def test_a_part_outside_its_variable(text: str) -> None:
    with pytest.raises(MalformedModel):
        parse_spec(text)


# -- shards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aim", ["../../secret", "../../../secret", "/etc/hostname"])
def test_a_shard_that_is_a_link_out_of_the_folder(aim: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    found = bundle(tmp_path / "model", entry())
    shard = tmp_path / "model" / "variables" / "variables.data-00000-of-00001"
    shard.unlink()
    os.symlink(aim, shard)
    with pytest.raises(ExternalDataOutside, match="a link out of the model's folder"):
        found.constant("w")


def test_variables_that_are_a_link_out_of_the_folder(tmp_path: Path) -> None:
    bundle(tmp_path / "elsewhere", entry())
    (tmp_path / "model").mkdir()
    os.symlink(tmp_path / "elsewhere" / "variables", tmp_path / "model" / "variables")
    with pytest.raises(ExternalDataOutside, match="a link out of the model's folder"):
        Bundle.open(tmp_path / "model" / "variables" / "variables")


def test_an_index_that_is_a_link_out_of_the_folder(tmp_path: Path) -> None:
    bundle(tmp_path / "elsewhere", entry())
    (tmp_path / "model" / "variables").mkdir(parents=True)
    index = tmp_path / "model" / "variables" / "variables.index"
    os.symlink(tmp_path / "elsewhere" / "variables" / "variables.index", index)
    with pytest.raises(ExternalDataOutside, match="a link out of the model's folder"):
        Bundle.open(index.with_name("variables"))


def test_links_within_the_folder_are_followed(tmp_path: Path) -> None:
    found = bundle(tmp_path, entry())
    shard = tmp_path / "variables" / "variables.data-00000-of-00001"
    shard.rename(tmp_path / "blob")
    os.symlink("../blob", shard)
    assert found.constant("w").array[3] == 3


def test_a_download_cache_is_followed(tmp_path: Path) -> None:
    """It keeps all files of a model side by side elsewhere."""
    (tmp_path / "blobs").mkdir()
    for i, file in enumerate(p for p in (FOLDER / "mlp" / "model").rglob("*") if p.is_file()):
        shutil.copy(file, tmp_path / "blobs" / str(i))
        link = tmp_path / "snapshots" / "main" / file.relative_to(FOLDER / "mlp" / "model")
        link.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(tmp_path / "blobs" / str(i), link)
    assert isthmus.import_model(tmp_path / "snapshots" / "main").op_count()


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    os.symlink("variables.index", tmp_path / "variables" / "variables.index")
    with pytest.raises(ExternalDataMissing, match="which is not there"):
        Bundle.open(tmp_path / "variables" / "variables")


def test_a_model_in_a_folder_that_is_a_link_is_read(tmp_path: Path) -> None:
    os.symlink(FOLDER / "mlp" / "model", tmp_path / "link")
    assert isthmus.import_model(tmp_path / "link").op_count()


def test_a_shard_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    found = bundle(tmp_path, entry())
    shard = tmp_path / "variables" / "variables.data-00000-of-00001"
    shard.unlink()
    os.mkfifo(shard)
    with pytest.raises(ExternalDataMissing, match="no regular file"):
        found.constant("w")


def test_an_index_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    os.mkfifo(tmp_path / "variables" / "variables.index")
    with pytest.raises(ImportFailed, match="no regular file"):
        Bundle.open(tmp_path / "variables" / "variables")


def test_a_shard_that_shrinks_after_the_import(tmp_path: Path) -> None:
    constant = bundle(tmp_path, entry()).constant("w")
    (tmp_path / "variables" / "variables.data-00000-of-00001").write_bytes(b"1234")
    with pytest.raises(ExternalDataMissing, match="has shrunk"):
        _ = constant.array


def test_a_name_with_dots_is_looked_up_not_opened(tmp_path: Path) -> None:
    """Keys and shard numbers alone make paths: what a restore op calls its file is not read."""
    shutil.copytree(FOLDER / "resource_variables" / "model", tmp_path / "m")
    file = tmp_path / "m" / "saved_model.pb"
    data = file.read_bytes()
    assert b"StringJoin" in data or b"MergeV2Checkpoints" in data
    file.write_bytes(data.replace(b"/part", b"../..").replace(b"_temp", b"/etc/"))
    assert isthmus.import_model(tmp_path / "m").op_count()


# -- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (b"", MalformedModel, "truncated"),
        (bytes(100), MalformedModel, "no checkpoint index"),
        (table({b"": b""})[:-1], MalformedModel, "no checkpoint index"),
        (table({b"": b""}, [(1 << 40, 9)]), MalformedModel, "points behind its own end"),
        (table({b"": b""}, [(0, (1 << 63) - 1)]), MalformedModel, "points behind its own end"),
        (table({b"": b""}, [(0, 3)]), ImportFailed, "too short|compressed"),
        (table({b"": b""}, compression=1), UnsupportedModel, "compressed"),
        (b"\xff" * 40 + bytes.fromhex("57fb808b247547db"), MalformedModel, "does not end"),
    ],
    ids=range(8),
)
def test_a_table_that_lies_is_told(data: bytes, kind: type[ImportFailed], text: str) -> None:
    with pytest.raises(kind, match=text):
        read_table(data)


def _hostile(rows: bytes, blocks: int) -> bytes:
    """A table whose index names the same block again and again."""
    data = rows + struct.pack("<II", 0, 1) + bytes(5)
    index = block({i.to_bytes(3, "big"): handle(0, len(data) - 5) for i in range(blocks)})
    footer = handle(0, 0) + handle(len(data), len(index))
    return data + index + bytes(5) + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (_hostile(varint(0) * 3 * 4000, 30_000), "lie on top of each other"),
        (_hostile(b"".join(varint(i) + b"\x01\x00k" for i in range(20_000)), 1), "names more than it holds"),
    ],
    ids=["the same block again and again", "keys that grow by a byte each"],
)
def test_a_small_table_that_names_very_much_ends_soon(data: bytes, text: str) -> None:
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(MalformedModel, match=text):
            read_table(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 25
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 5
