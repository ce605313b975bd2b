"""What the code in a TorchScript archive may call: checked before torch reads it, because loading can run some of it.

An archive holds its code as text. An object in it may have a method that torch runs while loading, so nothing there
may reach files, networks or other processes.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from isthmus.ir.errors import MalformedModel, UnsupportedModel

_OPS = re.compile(r"\bops\s*\.\s*(\w+)\s*\.\s*(\w+)")
_NAMESPACES = frozenset(("aten", "prim", "prims", "prepacked", "quantized", "torchvision", "torchaudio", "_caffe2"))
_OWN_NAMES = re.compile(r"\b__torch__(?:\s*\.\s*\w+)+")
"""Functions and classes of the archive itself, by the modules they came from: `__torch__.torchvision.ops.boxes.nms`."""
_FORBIDDEN = re.compile(r"\b_?from_file\s*\(|\b(?:torch|aten)\s*\.\s*save\s*\(")
MAX_CODE = 1 << 28
"""Bytes of code in one archive: a hundred times the largest one known."""


def vet_code(path: Path) -> frozenset[str]:
    """Where the ops come from that an archive's code calls: `torchvision`, `quantized` ...

    UnsupportedModel where the code calls what reads or writes files, or ops of nobody known.
    """
    with zipfile.ZipFile(path) as archive:
        texts = [info for info in archive.infolist() if info.filename.endswith(".py")]
        if sum(info.file_size for info in texts) > MAX_CODE:
            raise MalformedModel("the archive's code is too large", where=str(path))
        found: set[str] = set()
        for info in texts:
            found |= _checked(archive.read(info).decode("utf-8", "replace"), f"{path}:{info.filename}")
        return frozenset(found)


def _checked(text: str, where: str) -> set[str]:
    if found := _FORBIDDEN.search(text):
        raise UnsupportedModel(f"the script calls {found[0]}...), which reaches files", where=where)
    called = _OPS.findall(_OWN_NAMES.sub("", text))
    for namespace, op in called:
        if namespace not in _NAMESPACES:
            raise UnsupportedModel(
                f"the script calls {namespace}::{op}, which is no op of torch",
                where=where,
                hint="rewrite it with torch's own ops, or export the module with torch.export",
            )
    return {namespace for namespace, _ in called}
