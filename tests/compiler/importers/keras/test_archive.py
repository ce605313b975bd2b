"""What a `.keras` file may hold is decided without Keras."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from isthmus.compiler.importers.keras.archive import vet
from isthmus.ir.errors import ImportFailed, MalformedModel, UnsupportedModel


def written(folder: Path, config: Any, **others: bytes) -> Path:
    """An archive with this description."""
    path = folder / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config if isinstance(config, bytes) else json.dumps(config))
        for name, data in others.items():
            archive.writestr(name, data)
    return path


def of(module: Any, name: Any, **more: Any) -> dict[str, Any]:
    """A model that holds one object."""
    entry = {"module": module, "class_name": name, "config": {"name": "it"}, **more}
    return {"module": "keras", "class_name": "Sequential", "config": {"layers": [entry]}}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.layers", "Dense"),
        ("keras.src.models.functional", "Functional"),
        ("keras.src.ops.numpy", "Add"),
        ("keras.initializers", "GlorotUniform"),
        ("keras", "DTypePolicy"),
        ("keras", "Functional"),
        ("builtins", "slice"),
        (None, "Dense"),
    ],
)
def test_what_keras_writes_is_let_through(module: Any, name: str, tmp_path: Path) -> None:
    vet(written(tmp_path, of(module, name)))


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (of("keras.layers", "Lambda"), "'it' is a lambda"),
        (of("builtins", "__lambda__"), "is a lambda"),
        (of("os", "system"), "'it' is code of os, not of Keras"),
        (of("keras.utils", "get_file"), "code of keras.utils"),
        (of("keras.src.utils.file_utils", "get_file"), "code of keras.src.utils"),
        (of("keras.src.saving.serialization_lib", "enable_unsafe_deserialization"), "code of keras.src.saving"),
        (of("keras.config", "enable_unsafe_deserialization"), "code of keras.config"),
        (of("keras", "config"), "code of keras"),
        (of("keras.layers.", "Dense"), "not of Keras"),
        (of("kerasx.layers", "Dense"), "not of Keras"),
        (of("layers", "Dense"), "not of Keras"),
        (of(7, "Dense"), "not of Keras"),
        (of("keras.layers", "TorchModuleWrapper"), "wraps a model of another framework"),
        (of("keras.layers", "TFSMLayer"), "wraps a model of another framework"),
        (of("keras.layers", "StringLookup"), "looks words up"),
        (of(None, "Own", registered_name="mine>Own"), "code of mine>Own"),
    ],
)
def test_what_would_run_other_code_is_refused(entry: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=text):
        vet(written(tmp_path, entry))


@pytest.mark.parametrize("name", [["Dense"], 7, "utils.get_file", "a b"])
def test_a_class_that_is_no_name(name: Any, tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match="names no class"):
        vet(written(tmp_path, of("keras.layers", name)))


def test_what_is_for_training_does_not_matter(tmp_path: Path) -> None:
    vet(written(tmp_path, of("keras.layers", "Dense") | {"compile_config": of("mine.losses", "Loss")}))


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="cannot read"):
        vet(tmp_path / "none.keras")
    (tmp_path / "m.keras").write_bytes(b"PK\x03\x04 but no more")
    with pytest.raises(MalformedModel, match=r"no \.keras file"):
        vet(tmp_path / "m.keras")
    with pytest.raises(MalformedModel, match="is no JSON"):
        vet(written(tmp_path, b"{"))
    with pytest.raises(MalformedModel, match="is no JSON"):
        vet(written(tmp_path, b"[" * 200_000))
    with pytest.raises(UnsupportedModel, match="before Keras 3"):
        vet(tmp_path / "old.h5")


def test_an_archive_without_description(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("other", "")
    with pytest.raises(MalformedModel, match=r"no config\.json"):
        vet(tmp_path / "m.keras")


def test_an_archive_that_unpacks_to_far_more_than_it_is(tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match="unpacks to"):
        vet(written(tmp_path, {}, weights=bytes(1 << 26)))


def test_deciding_takes_no_keras(tmp_path: Path) -> None:
    before = "keras" in sys.modules
    vet(written(tmp_path, of("keras.layers", "Dense")))
    assert ("keras" in sys.modules) == before
