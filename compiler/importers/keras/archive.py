"""What a `.keras` file may hold. It is a zip archive of a description in JSON and weights in HDF5.

Building a model from its description calls what the description names. Keras' safe mode refuses pickled lambdas; what
is called is narrowed here to Keras' own layers and what they are made of, before Keras opens the file.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isthmus.ir.errors import ImportFailed, MalformedModel, UnsupportedModel

_PARTS = frozenset(
    (
        *("activations", "constraints", "dtype_policies", "initializers", "layers", "losses", "metrics", "models"),
        *("ops", "optimizers", "quantizers", "random", "regularizers"),
    )
)
"""The packages of Keras whose classes and functions a description may name."""
_TOP = frozenset(("Functional", "Model", "Sequential", "Input", "InputSpec", "KerasTensor", "DTypePolicy"))
"""What it may name of Keras itself."""
_CODE = frozenset(("Lambda", "__lambda__"))
_FOREIGN = frozenset(("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"))
_FILES = frozenset(("IndexLookup", "IntegerLookup", "StringLookup", "TextVectorization"))
_CONFIG_BYTES = 1 << 26
_INFLATION = 64
_SLACK_BYTES = 1 << 24
_IN_CODE = "build the model in Python, load its weights, and give the model itself to isthmus"


def vet(path: Path) -> None:
    """Refuse what is no `.keras` file, what unpacks to far more than it is, and what would run other code.

    Raises ImportFailed if it cannot be read, MalformedModel, or UnsupportedModel.
    """
    if path.suffix in (".h5", ".hdf5"):
        raise UnsupportedModel(
            f"{path} is of the format before Keras 3", hint='keras.saving.load_model(path).save("m.keras")'
        )
    for entry in _entries(_description(path)):
        _vet_entry(entry, str(path))


def _description(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise MalformedModel(f"config.json of the archive is no JSON: {error}", where=str(path)) from None


def _read(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if sum(sizes.values()) > _INFLATION * path.stat().st_size + _SLACK_BYTES:
                raise MalformedModel(f"the archive unpacks to {sum(sizes.values())} bytes", where=str(path))
            if sizes.get("config.json", _CONFIG_BYTES + 1) > _CONFIG_BYTES:
                raise MalformedModel("the archive holds no config.json of moderate size", where=str(path))
            return archive.read("config.json")
    except OSError as error:
        raise ImportFailed(f"cannot read the model: {error.strerror or error}", where=str(path)) from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise MalformedModel(f"no .keras file, which is a zip archive: {error}", where=str(path)) from None


def _entries(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of the description but what is for training, which is not built."""
    pending = [tree]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            yield each
            pending += (value for key, value in each.items() if key != "compile_config")
        elif isinstance(each, list):
            pending += each


def _vet_entry(entry: dict[str, Any], where: str) -> None:
    name, module = entry.get("class_name"), entry.get("module")
    if name is None and module is None:
        return
    config = entry.get("config")
    label = config.get("name", name) if isinstance(config, dict) else name
    if not isinstance(name, str | None):
        raise MalformedModel(f"{name!r} names no class", where=where)
    if name in _CODE:
        raise UnsupportedModel(f"{label!r} is a lambda: code in a file is not run", where=where, hint=_IN_CODE)
    if name in _FOREIGN:
        raise UnsupportedModel(f"{label!r} wraps a model of another framework ({name})", where=where, hint=_IN_CODE)
    if name in _FILES:
        raise UnsupportedModel(f"{label!r} looks words up ({name})", where=where, hint="leave it out of the model")
    if name is not None and not name.isidentifier():
        raise MalformedModel(f"{name!r} names no class", where=where)
    registered = entry.get("registered_name")
    if not _is_of_keras(module, name) or (isinstance(registered, str) and ">" in registered):
        raise UnsupportedModel(f"{label!r} is code of {registered or module}, not of Keras", where=where, hint=_IN_CODE)


def _is_of_keras(module: Any, name: Any) -> bool:
    if module is None or module == "builtins":
        return True
    if not isinstance(module, str):
        return False
    root, *parts = module.removeprefix("keras.src.").removeprefix("keras.").split(".")
    return name in _TOP if module == "keras" else module.startswith("keras.") and root in _PARTS and "" not in parts
