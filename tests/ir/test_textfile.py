"""Dumps: a text, and beside it the large constants, which are read when they are looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isthmus.ir import Builder, Constant, Graph, difference, dump, load
from isthmus.ir.errors import TextError
from isthmus.ir.textfile import read_comment, sidecar, stored_constants
from tests.support.sample_graphs import linear_layer


def test_a_dump_may_replace_the_file_it_was_loaded_from(tmp_path: Path) -> None:
    graph = linear_layer()
    dump(graph, tmp_path / "g.isth")
    loaded = load(tmp_path / "g.isth")
    dump(loaded, tmp_path / "g.isth")
    assert difference(graph, load(tmp_path / "g.isth"), locations=True) is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.isth", "g.isth.safetensors"]


def test_a_missing_file_of_constants_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.isth"
    dump(linear_layer(), path)
    sidecar(path).unlink()
    with pytest.raises(TextError, match=r"m\.isth\.safetensors is missing") as caught:
        load(path)
    assert "m.isth:2:" in caught.value.where


def test_a_missing_constant_is_named(tmp_path: Path) -> None:
    path, other = tmp_path / "m.isth", tmp_path / "other.isth"
    dump(linear_layer(), path)
    graph = Graph()
    graph.set_outputs([Builder(graph).const(np.arange(99))])
    dump(graph, other)
    sidecar(other).replace(sidecar(path))
    (key,) = stored_constants(linear_layer())
    with pytest.raises(TextError, match=f"has no constant {key}"):
        load(path)


def test_a_constant_of_another_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.isth"
    dump(linear_layer(), path)
    path.write_text(path.read_text().replace("f32[8, 4]", "f32[4, 8]"))
    with pytest.raises(TextError, match=r"as F32\[8, 4\], not f32\[4, 8\]"):
        load(path)


def test_broken_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.isth"
    dump(linear_layer(), path)
    sidecar(path).write_bytes(b"\xff" * 100)
    with pytest.raises(TextError, match="cannot be read"):
        load(path)
    path.write_bytes(b"graph \xff")
    with pytest.raises(TextError, match="not UTF-8"):
        load(path)


def test_constants_load_when_they_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "m.isth"
    dump(linear_layer(), path)
    constant = next(load(path).nodes).attrs["data"]
    assert isinstance(constant, Constant)
    assert "array" not in vars(constant)
    assert constant.array.tolist() == np.arange(32).reshape(8, 4).tolist()


def test_a_dump_without_large_constants_leaves_none_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "m.isth"
    dump(linear_layer(), path)
    graph = Graph("g")
    graph.set_outputs([Builder(graph).const(1.0)])
    dump(graph, path)
    assert [p.name for p in tmp_path.iterdir()] == ["m.isth"]


def test_comments_of_several_lines_come_back(tmp_path: Path) -> None:
    path = tmp_path / "m.isth"
    dump(linear_layer(), path, comment="one\ntwo: //\n")
    assert read_comment(path) == "one\ntwo: //"
    assert difference(linear_layer(), load(path)) is None
    dump(linear_layer(), path)
    assert read_comment(path) == read_comment(tmp_path / "none") == ""
