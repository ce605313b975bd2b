"""Programs on disk: the optimized IR as text that names its target, and the weights beside it."""

from __future__ import annotations

from pathlib import Path

from isthmus.compiler.target import REFERENCE, Target, parse_target
from isthmus.ir import textfile
from isthmus.ir.errors import UnknownFormat
from isthmus.ir.graph import Graph

_MARK = "isthmus program for target "


def save(graph: Graph, target: Target, path: Path) -> None:
    """Write `path` and, where there are large constants, `path`.safetensors."""
    textfile.dump(graph, path, comment=f"{_MARK}{target}")


def load(path: Path) -> tuple[Graph, Target]:
    """The graph and the target that were saved; IR text without a target is meant for `reference`."""
    if not path.is_file():
        raise UnknownFormat(f"there is no file {path}")
    comment = textfile.read_comment(path)
    named = comment.startswith(_MARK)
    target = parse_target(comment.removeprefix(_MARK).partition("\n")[0].strip()) if named else REFERENCE
    return textfile.load(path), target
