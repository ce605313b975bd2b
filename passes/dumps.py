"""IR files written along a pipeline."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

from isthmus.ir.graph import Graph
from isthmus.ir.textfile import dump


class Dumps:
    """Numbered files 00-input.isth, 01-canonicalize.isth, ..., and beside each what changed since the one before."""

    def __init__(self, folder: Path, graph: Graph) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._count = 0
        self._last = self._write("input", graph)

    def after(self, name: str, graph: Graph) -> None:
        """Write the graph after pass `name`."""
        path = self._write(name, graph)
        old, new = (p.read_text().splitlines(keepends=True) for p in (self._last, path))
        diff = unified_diff(old, new, self._last.name, path.name)
        path.with_suffix(".diff").write_text("".join(diff))
        self._last = path

    def _write(self, name: str, graph: Graph) -> Path:
        path = self._folder / f"{self._count:02d}-{name}.isth"
        dump(graph, path)
        self._count += 1
        return path
