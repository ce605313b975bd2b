"""From a path, bytes or a ModelProto to a ModelProto whose outermost structure is sound."""

from __future__ import annotations

import os
from pathlib import Path

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto

from isthmus.ir.errors import ImportFailed, MalformedModel, UnsupportedModel

NEWEST_OPSET = 28
"""The newest operator set whose meanings are known."""

DEFAULT_DOMAINS = ("", "ai.onnx")


def load(source: str | os.PathLike[str] | bytes | ModelProto) -> tuple[ModelProto, Path | None]:
    """The model, and the file it comes from if any. External data stays where it is.

    Raises ImportFailed if the file cannot be read, MalformedModel if it is no ONNX model, UnsupportedModel if it uses
    an operator set from the future.
    """
    path = None
    if isinstance(source, ModelProto):
        model = source
    elif isinstance(source, bytes):
        model = _parse(source, "the given bytes")
    else:
        path = Path(source)
        model = _parse(_read(path), str(path))
    _check(model, str(path or "the model"))
    return model, path


def opset_versions(imports: object, where: str) -> dict[str, int]:
    """Operator set versions by domain, `ai.onnx` under its short name ""."""
    versions: dict[str, int] = {}
    for entry in imports:  # type: ignore[attr-defined]
        domain = normal_domain(entry.domain)
        if versions.setdefault(domain, entry.version) != entry.version:
            raise MalformedModel(f"two versions of operator set {domain or 'ai.onnx'!r} are imported", where=where)
    version = versions.get("", 1)
    if version < 1:
        raise MalformedModel(f"operator set version {version} does not exist", where=where)
    if version > NEWEST_OPSET:
        raise UnsupportedModel(
            f"operator set {version} is newer than {NEWEST_OPSET}, the newest one known",
            where=where,
            hint="export with an older opset version, or update isthmus",
        )
    return versions


def normal_domain(domain: str) -> str:
    """The default domain's short name for both its spellings."""
    return "" if domain in DEFAULT_DOMAINS else domain


def text(field: str | bytes, what: str) -> str:
    """A text field; protobuf hands out bytes where it is no UTF-8, which is MalformedModel here."""
    if isinstance(field, bytes):
        raise MalformedModel(f"{what} is no text: {field[:40]!r}")
    return field


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImportFailed(f"cannot read the model: {error.strerror}", where=str(path)) from None


def _parse(data: bytes, where: str) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise MalformedModel(
            f"no ONNX model, or a truncated one: {error}", where=where, hint="download or export the file again"
        ) from None
    return model


def _check(model: ModelProto, where: str) -> None:
    if not model.HasField("graph"):
        raise MalformedModel("the model has no graph: no ONNX file, or a truncated one", where=where)
    if not model.opset_import:
        raise MalformedModel("the model does not say which operator sets it uses", where=where)
    opset_versions(model.opset_import, where)
