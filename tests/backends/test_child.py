"""Child processes: what they find and refuse reaches the caller, and their crashes cost nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.backends.child import Crashed, run
from isthmus.backends.progress import Silent
from isthmus.ir.errors import BackendFailed, BadArgument

WORK = "tests.support.child_work"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the parent writes; what is kept of a crash lies beside it."""
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))
    given = tmp_path / "given"
    given.mkdir()
    (given / "number.txt").write_text("7")
    return given


def test_findings_and_files_come_back(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    steps = []

    class Heard(Silent):
        def step(self, name: str, done: int, total: int) -> None:
            steps.append((name, done, total))

    assert run(f"{WORK}:answer", folder, Heard()) == {"root": 7, "square": 49}
    assert (folder / "square.txt").read_text() == "49"
    assert steps == [("half", 1, 2)]
    assert capfd.readouterr() == ("", "")
    log = (folder / "log.txt").read_text()
    assert "native code prints" in log
    assert "so does Python" in log


def test_errors_come_back_as_they_are(folder: Path) -> None:
    with pytest.raises(BadArgument) as caught:
        run(f"{WORK}:refuse", folder, Silent())
    assert (caught.value.reason, caught.value.where) == ("the number is odd", "number.txt")
    assert caught.value.hint == "give an even one"
    with pytest.raises(BackendFailed, match="ZeroDivisionError: by nothing"):
        run(f"{WORK}:fail", folder, Silent())


@pytest.mark.parametrize(
    ("work", "ending"),
    [("abort", "SIGABRT"), ("segfault", "SIGSEGV"), ("killed", "SIGKILL"), ("leave", "ended with code 3")],
)
def test_a_crash_costs_the_child_only(folder: Path, work: str, ending: str) -> None:
    with pytest.raises(Crashed, match=ending) as caught:
        run(f"{WORK}:{work}", folder, Silent())
    error = caught.value
    assert error.code == "E502"
    assert (error.folder / "number.txt").read_text() == "7"
    assert str(error.folder) in error.hint
    if work in ("abort", "segfault"):
        assert f"in {work}" in (error.folder / "stack.txt").read_text()
    if work == "abort":
        assert "compiling onnx:conv/1" in str(error)
    if work == "killed":
        assert "out of memory" in str(error)


def test_the_command_in_the_error_replays_the_crash(folder: Path) -> None:
    with pytest.raises(Crashed) as caught:
        run(f"{WORK}:abort", folder, Silent())
    command = caught.value.hint.partition("this does it again: ")[2].split()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    again = subprocess.run([sys.executable, *command[1:]], capture_output=True, env=environment, check=False)
    assert again.returncode == -6
    assert b"compiling onnx:conv/1" in again.stderr


def test_an_interrupt_ends_the_child(folder: Path) -> None:
    class Interrupts(Silent):
        def step(self, name: str, done: int, total: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(f"{WORK}:sleep", folder, Interrupts())
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


def test_without_an_interpreter_there_is_no_child(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(BackendFailed, match="interpreter"):
        run(f"{WORK}:answer", folder, Silent())
