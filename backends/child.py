"""Building in a child process: a crash of native code costs the child, not the caller's process.

`run("package.module:function", folder)` starts `python -m isthmus.backends.child package.module:function FOLDER`. The
child calls `function(folder, tell)`, where `folder` holds what the parent wrote for it, and where it leaves what it
makes; `tell` hands progress and findings to the parent while the function runs. They travel as lines of JSON over what
the parent gave the child as standard output; the child moves that aside, so that what native code prints goes to
`LOG`, a file in the folder, with all that is written to standard error. Where in Python a crash happened is in `STACK`.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any, TypeAlias

from isthmus.backends.progress import Progress
from isthmus.ir import errors
from isthmus.ir.errors import BackendFailed, IsthmusError

LOG = "log.txt"
"""What the child and the engine in it print."""

STACK = "stack.txt"
"""Where in Python a crash of native code came from."""

LAST_LINES = 12
"""How many lines of the log an error repeats."""

_TAIL_BYTES = 1 << 14
_STEP_SECONDS = 0.05
"""A step that follows the last one sooner is not told: engines take thousands."""


class Tell:
    """What a function in a child process tells its parent."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._last = 0.0

    def step(self, name: str, done: int, total: int) -> None:
        """How far the work is, as `Progress.step`. Raises BrokenPipeError once the parent is gone."""
        if (now := time.monotonic()) - self._last >= _STEP_SECONDS:
            self._last = now
            self._send({"step": [name, done, total]})

    def found(self, facts: Mapping[str, Any]) -> None:
        """Facts, as JSON: what `run` returns, later ones replacing earlier ones of the same name."""
        self._send({"found": dict(facts)})

    def failed(self, error: IsthmusError) -> None:
        """The error that `run` raises."""
        parts = {"code": error.code, "reason": error.reason, "where": error.where, "hint": error.hint}
        self._send({"failed": parts})

    def _send(self, line: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()


Work: TypeAlias = Callable[[Path, Tell], None]


class Crashed(BackendFailed):
    """The child process ended without an answer. `log` is what it printed last; `folder` keeps what it was given."""

    def __init__(self, reason: str, *, where: str = "", hint: str = "", log: str = "", folder: Path) -> None:
        super().__init__(reason, where=where, hint=hint)
        self.log = log
        self.folder = folder


def run(function: str, folder: Path, progress: Progress) -> dict[str, Any]:
    """Call `function` in a child process; returns the facts it found.

    Raises the IsthmusError that the function raised, or Crashed where the process died: then the folder has been
    moved to where it stays, and the error shows the command that replays the crash. KeyboardInterrupt ends the child.
    """
    if not sys.executable:
        raise BackendFailed("Python does not know where its interpreter is, and an engine is built by another one")
    command = [sys.executable, "-P", "-m", "isthmus.backends.child", function]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    facts: dict[str, Any] = {}
    failure: Mapping[str, str] | None = None
    with open(folder / LOG, "wb") as log:
        child = subprocess.Popen(
            [*command, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            encoding="utf-8",
        )
        try:
            assert child.stdout is not None, "it is a pipe"
            with child.stdout as lines:
                for line in lines:
                    match _message(line):
                        case {"step": [str(name), int(done), int(total)]}:
                            progress.step(name, done, total)
                        case {"found": dict(found)}:
                            facts |= found
                        case {"failed": dict(error)}:
                            failure = error
            code = child.wait()
        except BaseException:
            child.kill()
            child.wait()
            raise
    if failure is not None:
        raise _error(failure)
    if code != 0:
        raise _crash(command, folder, code)
    return facts


def _message(line: str) -> Any:
    """A line of the child's; None for the end of one that a dying child did not finish."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def _error(parts: Mapping[str, str]) -> IsthmusError:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, IsthmusError)]
    kind = next((kind for kind in kinds if kind.code == parts["code"]), BackendFailed)
    return kind(parts["reason"], where=parts["where"], hint=parts["hint"])


def _crash(command: list[str], folder: Path, code: int) -> Crashed:
    kept = Path(tempfile.mkdtemp(prefix="isthmus-crash-"))
    for path in folder.iterdir():
        shutil.move(path, kept / path.name)
    tail = _tail(kept / LOG)
    said = "".join(f"\n  {line}" for line in tail.splitlines()[-LAST_LINES:]) or " nothing"
    replay = " ".join([Path(command[0]).name, *command[1:], str(kept)])
    return Crashed(
        f"the process that builds the engine {_ending(code)}; the last it said was{':' if tail else ''}{said}",
        hint=f"what it was given is kept in {kept}; this does it again: {replay}",
        log=tail,
        folder=kept,
    )


def _ending(code: int) -> str:
    """How a process that returned `code` came to its end."""
    if code >= 0:
        return f"ended with code {code if code < 1 << 16 else hex(code)}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    why = ", as a machine that runs out of memory does to processes" if name == "SIGKILL" else ""
    return f"was ended by {name}{why}"


def _tail(path: Path) -> str:
    with open(path, "rb") as log:
        log.seek(0, os.SEEK_END)
        log.seek(max(log.tell() - _TAIL_BYTES, 0))
        return log.read().decode("utf-8", "replace").strip()


def main(function: str, folder: str) -> None:
    """What the child process does."""
    private = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(private, "w", encoding="utf-8") as stream, open(Path(folder) / STACK, "w") as stack:
        faulthandler.enable(stack)
        tell = Tell(stream)
        module, _, name = function.partition(":")
        try:
            getattr(import_module(module), name)(Path(folder), tell)
        except IsthmusError as error:
            tell.failed(error)
        except Exception as error:
            traceback.print_exc()
            tell.failed(BackendFailed(f"the builder failed: {type(error).__name__}: {error}"))
        finally:
            faulthandler.disable()


if __name__ == "__main__":
    main(*sys.argv[1:])
