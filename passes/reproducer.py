"""Reproducers: what a pass that failed leaves behind, to be replayed. The IR before the pass, under

// pipeline: fuse
// then: cse,dce
// check: numerics
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from isthmus.ir.errors import TextError
from isthmus.ir.graph import Graph
from isthmus.ir.textfile import dump, load, read_comment

_MARK = "pipeline: "


class Reproducer(NamedTuple):
    """The pass that failed, as pipeline text, the graph it failed on, what was to come after, how it was watched."""

    pipeline: str
    graph: Graph
    then: str = ""
    check: str = "full"


def write_reproducer(folder: Path, reproducer: Reproducer) -> Path:
    """Write the file; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "reproducer.isth"
    facts = {"pipeline": reproducer.pipeline, "then": reproducer.then, "check": reproducer.check}
    dump(reproducer.graph, path, comment="\n".join(f"{name}: {text}" for name, text in facts.items() if text))
    return path


def is_reproducer(path: Path) -> bool:
    """Whether the file starts as reproducers do."""
    return path.suffix == ".isth" and read_comment(path).startswith(_MARK)


def read_reproducer(path: Path | str) -> Reproducer:
    """What `write_reproducer` wrote. TextError for other files."""
    comment = read_comment(path)
    if not comment.startswith(_MARK):
        raise TextError("the file names no pipeline", where=str(path), hint=f"it must start with '// {_MARK}...'")
    facts = dict(line.split(": ", 1) for line in comment.splitlines() if ": " in line)
    return Reproducer(facts["pipeline"].strip(), load(path), facts.get("then", ""), facts.get("check", "full"))
