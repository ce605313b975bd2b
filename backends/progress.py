"""How long work tells how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """Told how far a compilation is, from the thread that called `compile`."""

    def stage(self, name: str) -> None:
        """A stage begins: import, optimize, measure, legalize, build."""

    def step(self, name: str, done: int, total: int) -> None:
        """Within the stage `done` of `total` parts are done; `name` says what is being done. `done` never falls."""


class Silent:
    """Progress that nobody asked for."""

    def stage(self, name: str) -> None:
        """Nothing."""

    def step(self, name: str, done: int, total: int) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Share:
    """The progress of one of several pieces of equal weight that follow each other."""

    whole: Progress
    index: int
    count: int

    def stage(self, name: str) -> None:
        """Of the whole."""
        self.whole.stage(name)

    def step(self, name: str, done: int, total: int) -> None:
        """After the pieces before this one."""
        self.whole.step(name, self.index * total + done, self.count * total)
