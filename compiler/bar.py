"""Progress on a terminal: the stage that runs, and a bar where it says how far it is."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Bar:
    """A line that is there while the block runs; nothing where the console is no terminal."""

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._line = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", style="dim"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._line.add_task(title, total=None, detail="")

    def stage(self, name: str) -> None:
        """A stage begins; how far it is is not known yet."""
        self._line.remove_task(self._task)
        self._task = self._line.add_task(f"{name} {self._title}", total=None, detail="")

    def step(self, name: str, done: int, total: int) -> None:
        """So much of the stage is done."""
        self._line.update(self._task, completed=done, total=total, detail=name)

    def __enter__(self) -> Bar:
        self._line.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._line.stop()
