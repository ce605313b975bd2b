"""Keras in this process, computing in torch where nobody has chosen yet."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from isthmus.ir.errors import ImportFailed, MalformedModel


def keras_here() -> Any:
    """The module `keras`. One that is not loaded yet is loaded with torch; ImportFailed where that cannot be."""
    if "keras" in sys.modules:
        return sys.modules["keras"]
    chosen = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "torch"
    try:
        return import_module("keras")
    except (ImportError, OSError) as error:
        raise ImportFailed(
            f"keras with torch cannot be imported, and reading its models needs both: {error}",
            hint="pip install 'isthmus[keras]'; or import what model.export(\"folder\") writes, which needs neither",
        ) from error
    finally:
        if chosen is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = chosen


def loaded(keras: Any, path: Path) -> Any:
    """The model in a vetted file. MalformedModel where Keras cannot build it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise MalformedModel(
            f"Keras cannot read the file: {type(error).__name__}: {lines[0]}", where=str(path)
        ) from error
