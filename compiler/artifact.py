"""Programs on disk: the optimized IR as text that names its target, and the weights beside it."""

from __future__ import annotations

import re
from pathlib import Path

from isthmus.compiler.placement import Fallback
from isthmus.compiler.target import REFERENCE, Target, parse_target
from isthmus.ir import textfile
from isthmus.ir.errors import UnknownFormat
from isthmus.ir.graph import Graph

_HEADER = re.compile(r"isthmus program for target (\S+), fallback (error|reference)")


def save(graph: Graph, target: Target, fallback: Fallback, path: Path) -> None:
    """Write `path` and, where there are large constants, `path`.safetensors."""
    textfile.dump(graph, path, comment=f"isthmus program for target {target}, fallback {fallback}")


def load(path: Path) -> tuple[Graph, Target, Fallback]:
    """The graph, target and fallback that were saved; IR text that names no target is meant for `reference`."""
    if not path.is_file():
        raise UnknownFormat(f"there is no file {path}")
    header = _HEADER.match(textfile.read_comment(path))
    if header is None:
        return textfile.load(path), REFERENCE, "error"
    fallback: Fallback = "reference" if header[2] == "reference" else "error"
    return textfile.load(path), parse_target(header[1]), fallback
