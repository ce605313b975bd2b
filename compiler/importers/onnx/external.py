"""Weights beside the model: memory-mapped when somebody looks, and confined to the model's own folder."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto

from isthmus.compiler.importers.onnx.loader import text
from isthmus.ir.constant import Constant
from isthmus.ir.errors import ExternalDataMissing, ExternalDataOutside, MalformedModel
from isthmus.ir.types import Array, TensorType


class ExternalData:
    """The files a model in `folder` may read. `folder=None` is a model from memory, which has none."""

    def __init__(self, model: Path | None) -> None:
        self._folder = None if model is None else Path(os.path.abspath(model)).parent
        # A download cache keeps model.onnx and its data as links to files that lie side by side elsewhere.
        self._allowed = () if model is None else (self._folder.resolve(), model.resolve().parent)  # type: ignore[union-attr]
        self._sizes: dict[str, tuple[Path, int]] = {}
        self._maps: dict[Path, Array] = {}

    def constant(self, tensor: TensorProto, type: TensorType, packed_bytes: int, decode: Any) -> Constant:
        """The constant whose bytes lie in a file; `decode` turns them into the array when it is first looked at."""
        entries = {text(e.key, "a key"): text(e.value, "a value") for e in tensor.external_data}
        what = f"tensor {tensor.name!r}"
        location = entries.get("location")
        if not location:
            raise MalformedModel(f"{what} is external but names no file")
        offset = _number(entries.get("offset", "0"), f"offset of {what}")
        length = _number(entries.get("length", str(packed_bytes)), f"length of {what}")
        if length != packed_bytes:
            raise MalformedModel(f"{what} is {type}, {packed_bytes} bytes, but has {length} external bytes")
        path, size = self._open(location, what)
        if offset + length > size:
            raise ExternalDataMissing(
                f"{what} needs bytes {offset}..{offset + length} of {location!r}, which has {size}",
                hint="the file is incomplete: copy it again beside the model",
            )
        return Constant(type, lambda: decode(self._bytes(path, offset, length, type)))

    def _open(self, location: str, what: str) -> tuple[Path, int]:
        if location in self._sizes:
            return self._sizes[location]
        if self._folder is None:
            raise ExternalDataMissing(
                f"{what} lies in file {location!r}, but the model was given without its folder",
                hint="import the model by its path",
            )
        if os.path.isabs(location) or ":" in location or ".." in location.replace("\\", "/").split("/"):
            raise ExternalDataOutside(f"{what} asks for {location!r}, outside the model's folder")
        path = (self._folder / location).resolve()
        if not any(path.is_relative_to(folder) for folder in self._allowed):
            raise ExternalDataOutside(f"{what} asks for {location!r}, a link out of the model's folder")
        try:
            found = path.stat()
        except (OSError, ValueError):
            raise ExternalDataMissing(
                f"{what} needs file {location!r}, which is not there", hint=f"put it into {self._folder}"
            ) from None
        if not stat.S_ISREG(found.st_mode):
            raise ExternalDataMissing(f"{what} needs {location!r}, which is no regular file")
        self._sizes[location] = path, found.st_size
        return self._sizes[location]

    def _bytes(self, path: Path, offset: int, length: int, type: TensorType) -> Array:
        if not length:
            return np.empty(0, np.uint8)
        if path not in self._maps:
            self._maps[path] = np.memmap(path, np.uint8, "r")
        part = self._maps[path][offset : offset + length]
        aligned = offset % math.gcd(type.dtype.numpy.itemsize, 16) == 0
        return part if aligned else part.copy()


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise MalformedModel(f"{what} is {text!r}, must be a number of bytes")
    return int(text)
