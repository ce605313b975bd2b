"""What child processes do in the tests of `backends/child.py`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from isthmus.backends.child import Tell
from isthmus.ir.errors import BadArgument


def answer(folder: Path, tell: Tell) -> None:
    """Reads what the parent wrote, prints on every way out, and tells what it found."""
    os.write(1, b"native code prints\n")
    print("so does Python")
    tell.step("half", 1, 2)
    number = int((folder / "number.txt").read_text())
    (folder / "square.txt").write_text(str(number**2))
    tell.found({"root": number})
    tell.found({"square": number**2})


def refuse(folder: Path, tell: Tell) -> None:
    raise BadArgument("the number is odd", where="number.txt", hint="give an even one")


def fail(folder: Path, tell: Tell) -> None:
    raise ZeroDivisionError("by nothing")


def abort(folder: Path, tell: Tell) -> None:
    print("compiling onnx:conv/1", file=sys.stderr, flush=True)
    tell.found({"half": 1})
    os.abort()


def segfault(folder: Path, tell: Tell) -> None:
    ctypes.string_at(0)


def killed(folder: Path, tell: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(folder: Path, tell: Tell) -> None:
    os._exit(3)


def sleep(folder: Path, tell: Tell) -> None:
    (folder / "pid").write_text(str(os.getpid()))
    tell.step("asleep", 0, 1)
    time.sleep(60)
