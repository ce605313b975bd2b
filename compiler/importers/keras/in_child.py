"""What a child process does for one whose Keras computes in a framework without an export: it uses torch."""

from __future__ import annotations

import json
import os
from pathlib import Path

from isthmus.backends.child import Tell
from isthmus.compiler.importers.keras import import_keras
from isthmus.ir import textfile


def convert(folder: Path, tell: Tell) -> None:
    """Read the model that order.json names, and leave graph.isth."""
    os.environ["KERAS_BACKEND"] = "torch"
    order = json.loads((folder / "order.json").read_text())
    textfile.dump(import_keras(order["path"], inputs=order["inputs"]), folder / "graph.isth")
