"""How far a build is, from the phases the builder goes through."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

PARTS = 1000
"""A build is told as so many parts: phases nest, and how many there will be is not known."""

Step: TypeAlias = Callable[[str, int, int], None]
"""Told the innermost phase, the parts that are done, and `PARTS`."""


@dataclass
class _Phase:
    parent: str | None
    total: int
    done: int = 0


class Phases:
    """Which phases run, and what part of the whole they have done. May be called from any thread."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._running: dict[str, _Phase] = {}
        self._farthest = 0.0
        self._lock = threading.Lock()

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins, within one step of its parent."""
        with self._lock:
            self._running[name] = _Phase(parent, max(steps, 1))
            self._tell()

    def complete(self, name: str) -> None:
        """A phase has done one more step."""
        with self._lock:
            if (phase := self._running.get(name)) is not None:
                phase.done = min(phase.done + 1, phase.total)
                self._tell()

    def finish(self, name: str) -> None:
        """A phase ends."""
        with self._lock:
            self._running.pop(name, None)
            self._tell()

    def _tell(self) -> None:
        self._farthest = max(self._farthest, *(self._part(name) for name in self._roots()), 0.0)
        innermost = next(reversed(self._running), "")
        self._step(innermost, int(self._farthest * PARTS), PARTS)

    def _roots(self) -> list[str]:
        return [name for name, phase in self._running.items() if phase.parent not in self._running]

    def _part(self, name: str) -> float:
        """What part of a phase is done: its steps, and of the present one what the phases within it have done."""
        phase = self._running[name]
        within = max((self._part(each) for each, p in self._running.items() if p.parent == name), default=0.0)
        return min((phase.done + within) / phase.total, 1.0)


def monitor(trt: ModuleType, phases: Phases) -> Any:
    """An `IProgressMonitor` that follows the phases, and cancels the build once nobody listens any more."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self._alone = False

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            self._follow(lambda: phases.start(name, parent, steps))

        def step_complete(self, name: str, step: int) -> bool:
            self._follow(lambda: phases.complete(name))
            return not self._alone

        def phase_finish(self, name: str) -> None:
            self._follow(lambda: phases.finish(name))

        def _follow(self, change: Callable[[], None]) -> None:
            try:
                change()
            except OSError:  # the parent process is gone, and no exception may pass through native code
                self._alone = True

    return Monitor()
