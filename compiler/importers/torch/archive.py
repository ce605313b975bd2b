"""Reads .pt2 archives without torch.export.load, so that nothing in a file is unpickled or evaluated.

torch.export.load unpickles sample inputs and custom objects, and gives the text of symbolic sizes to Python's eval.
Here only the graph (JSON) and raw weights are read: weights are mapped, not copied; sizes and targets are held against
a grammar before torch's own deserializer sees them; sample inputs and guards are left out.
"""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.compiler.importers.torch.companions import load_torchvision
from isthmus.compiler.importers.torch.vetting import vet_graph
from isthmus.ir.errors import IsthmusError, MalformedModel, UnsupportedModel
from isthmus.ir.types import Array

_LOCAL_HEADER = struct.Struct("<4s2B4HL2L2H")
_SAVE_AGAIN = "save it with the torch that is installed: torch.export.save(program, path)"
MAX_JSON = 1 << 28
"""Bytes of a graph: a hundred times the largest one known."""


def read_archive(path: Path) -> Any:
    """The ExportedProgram in a .pt2 archive, its weights mapped from the file.

    Raises MalformedModel for damaged files, UnsupportedModel for pickled parts and for formats of other torch versions.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Archive(path, archive).program()
    except IsthmusError as error:
        error.where = error.where or str(path)
        raise
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise MalformedModel(
            f"no .pt2 archive this torch can read: {type(error).__name__}: {error}", where=str(path), hint=_SAVE_AGAIN
        ) from error


class _Archive:
    """The entries of one archive, by their path below its root folder."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._zip = archive
        self._entries = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        self._file: Array = np.memmap(path, np.uint8, "c")  # torch wants memory it may write; the file stays as it is

    def program(self) -> Any:
        """The one model inside."""
        from torch._export.serde import schema, serialize

        names = [name for name in self._entries if name.startswith("models/") and name.endswith(".json")]
        if len(names) != 1:
            raise UnsupportedModel(f"the archive holds {len(names)} models, not one")
        name = names[0].removeprefix("models/").removesuffix(".json")
        graph = self._json(names[0])
        if vet_graph(graph):
            load_torchvision()
        weights = self._payload(f"data/weights/{name}_weights_config.json", "data/weights/")
        constants = self._payload(f"data/constants/{name}_constants_config.json", "data/constants/")
        reader = serialize.ExportedProgramDeserializer()
        return reader.deserialize(serialize._dict_to_dataclass(schema.ExportedProgram, graph), weights, constants, b"")

    def _json(self, name: str) -> Any:
        info = self._entries.get(name)
        if info is None:
            raise UnsupportedModel(f"the archive lacks {name}", hint=_SAVE_AGAIN)
        if info.file_size > MAX_JSON:
            raise MalformedModel(f"{name} has {info.file_size} bytes")
        return json.loads(self._zip.read(info))

    def _payload(self, config: str, folder: str) -> dict[str, Any]:
        """Tensors by name, views of one storage where the file says so."""
        from torch._export.serde import schema, serialize

        listed = serialize._dict_to_dataclass(schema.PayloadConfig, self._json(config)).config
        storages: dict[str, Any] = {}
        found: dict[str, Any] = {}
        for name, payload in listed.items():
            meta = payload.tensor_meta
            if payload.use_pickle or meta is None:
                raise UnsupportedModel(
                    f"{name} is pickled, and unpickling a file runs code in it", hint="export with dense tensors only"
                )
            if payload.path_name not in storages:
                storages[payload.path_name] = self._storage(f"{folder}{payload.path_name}")
            dtype = serialize.deserialize_scalar_type(meta.dtype)
            found[name] = _tensor(storages[payload.path_name], dtype, meta, payload.is_param, name)
        return found

    def _storage(self, name: str) -> Array:
        """The bytes of an entry, where they stand in the file."""
        info = self._entries[name]
        if info.compress_type != zipfile.ZIP_STORED:
            raise UnsupportedModel(f"{name} is compressed", hint=_SAVE_AGAIN)
        header = self._file[info.header_offset : info.header_offset + _LOCAL_HEADER.size].tobytes()
        *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        begin = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        found = self._file[begin : begin + info.file_size]
        if found.size != info.file_size:
            raise MalformedModel(f"{name} has {found.size} bytes of {info.file_size}: the file is truncated")
        return found


def _tensor(storage: Array, dtype: Any, meta: Any, is_parameter: bool, name: str) -> Any:
    sizes, strides = _integers(meta.sizes, name), _integers(meta.strides, name)
    (offset,) = _integers([meta.storage_offset], name)
    if len(sizes) != len(strides) or min((*sizes, *strides, offset), default=0) < 0:
        raise MalformedModel(f"{name} has sizes {sizes} and strides {strides}")
    reach = 0 if 0 in sizes else offset + 1 + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    width = torch.empty(0, dtype=dtype).element_size()
    if reach * width > storage.size:
        raise MalformedModel(f"{name} needs {reach * width} bytes, but its storage holds {storage.size}")
    count = storage.size // width
    aligned = storage if storage.ctypes.data % width == 0 else storage.copy()
    flat = torch.frombuffer(aligned, dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)
    view = torch.as_strided(flat, sizes, strides, offset) if reach else torch.empty(sizes, dtype=dtype)
    return torch.nn.Parameter(view, requires_grad=False) if is_parameter else view


def _integers(numbers: Any, name: str) -> list[int]:
    found = [each.as_int if each.type == "as_int" else None for each in numbers]
    if not all(isinstance(each, int) for each in found):
        raise MalformedModel(f"{name} has a size that is no number")
    return found  # type: ignore[return-value]
