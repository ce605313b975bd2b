"""Reproducers: what a pass that failed leaves behind, to be replayed."""

from __future__ import annotations

from pathlib import Path

from isthmus.ir.errors import TextError
from isthmus.ir.graph import Graph
from isthmus.ir.textfile import dump, load, read_comment

_MARK = "pipeline: "


def write_reproducer(folder: Path, pipeline: str, graph: Graph) -> Path:
    """A file that holds the pipeline that failed and the graph it failed on; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "reproducer.isth"
    dump(graph, path, comment=f"{_MARK}{pipeline}")
    return path


def is_reproducer(path: Path) -> bool:
    """Whether the file starts as reproducers do."""
    return path.suffix == ".isth" and read_comment(path).startswith(_MARK)


def read_reproducer(path: Path | str) -> tuple[str, Graph]:
    """The pipeline text and the graph of a reproducer. TextError for other files."""
    comment = read_comment(path)
    if not comment.startswith(_MARK):
        raise TextError("the file names no pipeline", where=str(path), hint=f"it must start with '// {_MARK}...'")
    return comment.removeprefix(_MARK).strip(), load(path)
