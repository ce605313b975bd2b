"""Which kind of torch model something is. A path is told by what its zip archive holds; nothing is unpickled."""

from __future__ import annotations

import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

from isthmus.compiler.importers.torch.archive import read_archive
from isthmus.compiler.importers.torch.companions import load_torchvision
from isthmus.compiler.importers.torch.scripted import is_script, plain_script, vet_code
from isthmus.ir.errors import ImportFailed, MalformedModel, UnknownFormat, UnsupportedModel

_EAGER = (
    "write it in the program that has the model's class: "
    'torch.export.save(torch.export.export(model.eval(), (example,)), "model.pt2")'
)


def load(source: Any) -> Any:
    """The module, script or ExportedProgram that `source` is, or that its archive holds.

    Raises UnsupportedModel with what to do instead for pickled modules
    and state dicts.
    """
    import torch

    if is_script(source):
        return plain_script(source)
    if isinstance(source, torch.export.ExportedProgram | torch.nn.Module):
        return source
    if isinstance(source, str | os.PathLike):
        return _from_path(Path(source))
    raise UnknownFormat(f"{type(source).__name__} is no torch model")


def _from_path(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        raise UnsupportedModel(f"{path} is an old pickle, and unpickling a file runs code in it", hint=_EAGER) from None
    except OSError as error:
        raise ImportFailed(f"cannot read the model: {error.strerror}", where=str(path)) from None
    inside = [name.partition("/")[2] for name in names]
    if any(name.startswith("models/") and name.endswith(".json") for name in inside):
        return read_archive(path)
    if any(name.startswith("code/") for name in inside) or "constants.pkl" in inside:
        return _from_torchscript(path)
    if any(name.startswith("data/aotinductor/") for name in inside):
        raise UnsupportedModel(f"{path} holds compiled code (AOTInductor), no graph", hint=_EAGER)
    raise UnsupportedModel(
        f"{path} holds a pickled module or a state dict, and unpickling a file runs code in it", hint=_EAGER
    )


def _from_torchscript(path: Path) -> Any:
    """A TorchScript archive is read by torch's C++ reader, which knows tensors and plain values only."""
    import torch

    if "torchvision" in vet_code(path):
        load_torchvision()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.jit.load(path, map_location="cpu")
    except RuntimeError as error:
        raise MalformedModel(f"no TorchScript archive this torch can read: {error}", where=str(path)) from None
