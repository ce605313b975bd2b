"""Checkpoint bundles: an index of tensors, and the shards that hold their bytes.

Shards are memory-mapped when somebody looks at a tensor. Source: tensorflow/core/util/tensor_bundle.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from isthmus.compiler.importers.tensorflow.protos import Message, parse
from isthmus.compiler.importers.tensorflow.slices import Slice, stored_key, within
from isthmus.compiler.importers.tensorflow.sstable import read_table
from isthmus.compiler.importers.tensorflow.tensors import static_shape
from isthmus.compiler.importers.tensorflow.types import STRING, dtype_from, normal
from isthmus.ir.constant import Constant
from isthmus.ir.errors import ExternalDataMissing, ExternalDataOutside, ImportFailed, MalformedModel, UnsupportedModel
from isthmus.ir.types import Array, TensorType

MAX_TEXT_BYTES = 1 << 28
"""A string tensor (the object graph) may be at most this large."""
_HINT = "copy the whole SavedModel folder again"


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies, or of which slices it is made."""

    code: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    slices: tuple[Slice, ...]


class Bundle:
    """The tensors of one checkpoint, by key."""

    def __init__(self, prefix: Path, table: Mapping[bytes, bytes]) -> None:
        self._prefix = prefix
        self._table = table
        self._files: dict[int, tuple[Path, int]] = {}
        self._maps: dict[int, Array] = {}
        if b"" not in table:
            raise MalformedModel("the checkpoint index has no header", where=str(prefix))
        header = parse("BundleHeaderProto", table[b""], str(prefix))
        if header.endianness:
            raise UnsupportedModel("the checkpoint is big-endian", where=str(prefix))
        self._shards = header.num_shards

    @staticmethod
    def open(prefix: Path) -> Bundle:
        """The checkpoint PREFIX.index with PREFIX.data-*. ExternalDataMissing if the index is not there."""
        index = prefix.with_name(f"{prefix.name}.index")
        _size(index, "the model's variables")
        try:
            data = index.read_bytes()
        except OSError as error:
            raise ImportFailed(f"cannot read the variables: {error.strerror}", where=str(index)) from None
        return Bundle(prefix, read_table(data))

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Every tensor with a name of its own; slices are entries of the tensor they belong to."""
        names = (key.decode(errors="replace") for key in self._table if key and key[0] != 0)
        return {name: self._entry(name.encode(), name) for name in names if name.encode() in self._table}

    def __contains__(self, key: str) -> bool:
        return key.encode() in self._table and bool(key)

    def constant(self, key: str, part: tuple[tuple[int, ...], Slice] | None = None) -> Constant:
        """The tensor stored under `key`, or a part of it. Its place is checked now, its bytes are read on demand."""
        entry = self._entry(key.encode(), key)
        if part is not None and part[0] != entry.shape:
            raise MalformedModel(f"variable {key!r} is {list(entry.shape)}, not {list(part[0])} as its slice says")
        if part is not None and math.prod(n for _, n in part[1]) == math.prod(entry.shape):
            part = None
        if not entry.slices and part is None:
            return self._stored(entry, key)
        asked = part[1] if part is not None else tuple((0, n) for n in entry.shape)
        if not entry.slices:
            whole = self._stored(entry, key)
            type = whole.type.with_shape(n for _, n in asked)
            return Constant(type, lambda: whole.array[tuple(slice(a, a + n) for a, n in asked)])
        return self._assembled(entry, key, asked)

    def text(self, key: str) -> bytes:
        """The one string stored under `key`: its length as a varint, a checksum of four bytes, and the bytes."""
        entry = self._entry(key.encode(), key)
        if normal(entry.code) != STRING or entry.shape or entry.size > MAX_TEXT_BYTES:
            raise MalformedModel(f"{key!r} of the checkpoint is no text of moderate size")
        raw = self._bytes(entry, key).tobytes()
        at = next((i for i, byte in enumerate(raw) if byte < 128), len(raw))
        return raw[at + 5 :]

    def _entry(self, key: bytes, name: str) -> Entry:
        if not key or key not in self._table:
            raise MalformedModel(f"the checkpoint has no tensor {name!r}", where=str(self._prefix))
        proto = parse("BundleEntryProto", self._table[key], f"{self._prefix}: {name}")
        what = f"variable {name!r}"
        shape = static_shape(proto.shape, what)
        slices = tuple(within_of(each, shape, what) for each in proto.slices)
        return Entry(proto.dtype, shape, proto.shard_id, proto.offset, proto.size, slices)

    def _stored(self, entry: Entry, name: str) -> Constant:
        type = TensorType(dtype_from(entry.code, f"variable {name!r}"), entry.shape)
        numpy = type.dtype.numpy
        if math.prod(entry.shape) * numpy.itemsize != entry.size:
            raise MalformedModel(f"variable {name!r} is {type}, but has {entry.size} bytes in the checkpoint")
        self._check(entry, name)

        def load() -> Array:
            raw = self._bytes(entry, name)
            aligned = entry.offset % numpy.itemsize == 0
            return (raw if aligned else raw.copy()).view(numpy).reshape(entry.shape)

        return Constant(type, load)

    def _assembled(self, entry: Entry, name: str, asked: Slice) -> Constant:
        """What is asked for, put together from the stored slices that overlap it."""
        type = TensorType(dtype_from(entry.code, f"variable {name!r}"), tuple(n for _, n in asked))
        parts = []
        for extents in entry.slices:
            shared = [(max(a, c), min(a + n, c + m)) for (a, n), (c, m) in zip(asked, extents, strict=True)]
            if all(low < high for low, high in shared):
                constant = self._stored(self._slice_entry(name, entry, extents), name)
                parts.append((constant, extents, shared))
        covered = sum(math.prod(high - low for low, high in shared) for _, _, shared in parts)
        if covered != math.prod(n for _, n in asked):
            raise MalformedModel(f"the stored slices of variable {name!r} do not make up what is asked for")
        starts = [a for a, _ in asked]
        if len(parts) == 1 and parts[0][1] == asked:
            return parts[0][0]

        def load() -> Array:
            result = np.empty([n for _, n in asked], type.dtype.numpy)
            for constant, extents, shared in parts:
                to = tuple(slice(low - s, high - s) for (low, high), s in zip(shared, starts, strict=True))
                of = tuple(slice(low - a, high - a) for (low, high), (a, _) in zip(shared, extents, strict=True))
                result[to] = constant.array[of]
            return result

        return Constant(type, load)

    def _slice_entry(self, name: str, whole: Entry, extents: Slice) -> Entry:
        full = tuple(
            (0, -1) if (start, length) == (0, size) else (start, length)
            for (start, length), size in zip(extents, whole.shape, strict=True)
        )
        for spelled in (full, extents):
            key = stored_key(name, spelled)
            if key in self._table:
                found = self._entry(key, name)
                if found.shape != tuple(n for _, n in extents) or found.slices or found.code != whole.code:
                    raise MalformedModel(f"a stored slice of variable {name!r} is not what the index says")
                return found
        raise MalformedModel(f"slice {list(extents)} of variable {name!r} is not stored")

    def _check(self, entry: Entry, name: str) -> None:
        if not 0 <= entry.shard < self._shards:
            raise MalformedModel(f"variable {name!r} lies in shard {entry.shard} of {self._shards}")
        if entry.shard not in self._files:
            path = self._prefix.with_name(f"{self._prefix.name}.data-{entry.shard:05d}-of-{self._shards:05d}")
            self._files[entry.shard] = path, _size(path, f"variable {name!r}")
        path, size = self._files[entry.shard]
        if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size > size:
            raise ExternalDataMissing(
                f"variable {name!r} needs bytes {entry.offset}..{entry.offset + entry.size} of {path.name}, "
                f"which has {size}",
                hint=_HINT,
            )

    def _bytes(self, entry: Entry, name: str) -> Array:
        self._check(entry, name)
        if not entry.size:
            return np.empty(0, np.uint8)
        path, size = self._files[entry.shard]
        if entry.shard not in self._maps:
            mapped = np.memmap(path, np.uint8, "r")
            if len(mapped) < size:
                raise ExternalDataMissing(f"shard {path} has shrunk since the model was imported", hint=_HINT)
            self._maps[entry.shard] = mapped
        return self._maps[entry.shard][entry.offset : entry.offset + entry.size]


def _size(path: Path, what: str) -> int:
    """The size of a file in the folder `variables`. A link may not leave the model's folder.

    Unless the graph lies beside its target: a download cache keeps all files of a model elsewhere, and links to them.
    """
    folder = path.parent.parent
    allowed = (folder.resolve(), (folder / "saved_model.pb").resolve().parent)
    try:
        target = path.resolve()
        if not any(target.is_relative_to(each) for each in allowed):
            hint = "put the file itself into the model's folder"
            raise ExternalDataOutside(f"{what} asks for {path}, a link out of the model's folder", hint=hint)
        found = path.stat()
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        raise ExternalDataMissing(f"{what} needs {path}, which is not there", hint=_HINT) from None
    if not stat.S_ISREG(found.st_mode):
        raise ExternalDataMissing(f"{what} needs {path}, which is no regular file")
    return found.st_size


def within_of(proto: Message, shape: tuple[int, ...], what: str) -> Slice:
    """A TensorSliceProto in numbers. An extent without length is the whole axis."""
    if len(proto.extent) != len(shape):
        raise MalformedModel(f"{what} has a slice of rank {len(proto.extent)} but rank {len(shape)}")
    pairs = [(e.start, e.length or n) for e, n in zip(proto.extent, shape, strict=True)]
    return within(shape, tuple(pairs))
