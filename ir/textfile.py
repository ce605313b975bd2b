"""Graphs in files: the text, and beside it one safetensors file with the constants too large to spell out.

`dump(graph, "m.isth")` writes `m.isth` and, if there are such constants, `m.isth.safetensors`, keyed by hash.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.ir import inline
from isthmus.ir.constant import Constant
from isthmus.ir.errors import FileFailed, TextError
from isthmus.ir.graph import Graph
from isthmus.ir.parser import parse_with
from isthmus.ir.printer import constant_key, print_graph
from isthmus.ir.replacing import replace_file
from isthmus.ir.types import Array, DType, TensorType

_FORMAT_NAMES = {
    "f64": "F64", "f32": "F32", "f16": "F16", "bf16": "BF16", "bool": "BOOL",
    "i64": "I64", "i32": "I32", "i16": "I16", "i8": "I8",
    "u64": "U64", "u32": "U32", "u16": "U16", "u8": "U8",
}  # fmt: skip
"""What safetensors calls the element types that it can give back as numpy arrays; others travel as bytes."""


_COMMENT_BYTES, _COMMENT_LINES = 1 << 20, 16


def dump(graph: Graph, path: str | os.PathLike[str], *, comment: str = "") -> None:
    """Write `graph` to `path`, under a `comment` if given, and its large constants beside it.

    Constants are written from where they lie, without a copy of contiguous ones. Where there are no large ones, the
    file of an older dump is removed. Raises FileFailed where nothing can be written.
    """
    from safetensors.numpy import save_file

    stored = stored_constants(graph)
    if stored:
        arrays = {key: _as_stored(constant) for key, constant in stored.items()}
        _replace(sidecar(path), lambda part: save_file(arrays, part))
    else:
        sidecar(path).unlink(missing_ok=True)
    text = "".join(f"// {line}\n" for line in comment.splitlines()) + print_graph(graph)
    _replace(Path(path), lambda part: part.write_text(text, "utf-8", newline="\n"))


def load(path: str | os.PathLike[str]) -> Graph:
    """The graph that `dump` wrote to `path`. Large constants are read when they are first looked at.

    Raises TextError for bad text, and where the file beside it or a constant in it is missing.
    """
    try:
        text = Path(path).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise TextError(f"not UTF-8 text: {error.reason}", where=f"{path}, byte {error.start}") from None
    return parse_with(text, _Sidecar(sidecar(path)).find, str(path))


def read_comment(path: str | os.PathLike[str]) -> str:
    """The comment that `dump` put above the text, or "" where the file has none, or is no text, or is missing."""
    lines: list[bytes] = []
    try:
        with open(path, "rb") as file:
            while len(lines) < _COMMENT_LINES and (line := file.readline(_COMMENT_BYTES)).startswith(b"// "):
                lines.append(line[3:])
        return b"".join(lines).decode("utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError):
        return ""


def sidecar(path: str | os.PathLike[str]) -> Path:
    """The file beside the text in `path` that holds its large constants."""
    return Path(f"{os.fspath(path)}.safetensors")


def stored_constants(graph: Graph) -> dict[str, Constant]:
    """The constants that the graph's text names by hash, regions included: what `parse` takes as `constants`."""
    found = (node.attrs["data"] for node in graph.walk() if node.op.name == "const")
    return {constant_key(data): data for data in found if inline.spell(data) is None}


class _Sidecar:
    """The constants beside a text, opened when the first is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None

    def find(self, key: str, type: TensorType) -> Constant:
        """The constant called `key`, checked against its type and not yet read."""
        file = self._open()
        if key not in file.keys():  # noqa: SIM118 - not a dict
            raise TextError(f"{self._path} has no constant {key}", hint="text and constants are of different dumps")
        entry = file.get_slice(key)
        found, wanted = (entry.get_dtype(), tuple(entry.get_shape())), (_format_name(type.dtype), type.shape)
        if found != wanted:
            raise TextError(f"{self._path} holds {key} as {found[0]}{list(found[1])}, not {type}")
        return Constant(type, lambda: _as_loaded(file.get_tensor(key), type.dtype))

    def _open(self) -> Any:
        from safetensors import SafetensorError, safe_open

        if self._file is None:
            try:
                self._file = safe_open(self._path, framework="np")
            except FileNotFoundError:
                hint = "copy it beside the text: it holds the text's constants"
                raise TextError(f"{self._path} is missing", hint=hint) from None
            except (SafetensorError, OSError) as error:
                raise TextError(f"{self._path} cannot be read: {error}") from None
        return self._file


def _format_name(dtype: DType) -> str:
    return _FORMAT_NAMES.get(dtype.name, "U8")


def _as_stored(constant: Constant) -> Array:
    array = np.ascontiguousarray(constant.array).reshape(constant.array.shape)
    return array if constant.type.dtype.name in _FORMAT_NAMES else array.view(np.uint8)


def _as_loaded(array: Array, dtype: DType) -> Array:
    return array if array.dtype == dtype.numpy else array.view(dtype.numpy)


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    from safetensors import SafetensorError

    try:
        replace_file(path, write)
    except (OSError, SafetensorError) as error:
        raise FileFailed(f"{path} cannot be written: {error}") from error
