"""Workers that plant a crash in the real builder's way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from isthmus.backends.child import Tell
from isthmus.backends.tensorrt import worker


class _Aborts:
    """Phases that end the process, deep in the builder's own code, once it works on single layers."""

    def __init__(self, step: Any) -> None:
        pass

    def start(self, name: str, parent: str | None, steps: int) -> None:
        if name == "Timing tensor reformats":
            os.abort()

    def complete(self, name: str) -> None:
        pass

    def finish(self, name: str) -> None:
        pass


def build(folder: Path, tell: Tell) -> None:
    """As the worker, but for the abort."""
    vars(worker)["Phases"] = _Aborts
    worker.build(folder, tell)
