"""NVIDIA's compiler, which makes machine code of CUDA source on any machine: no GPU and no driver is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from isthmus.ir.errors import BackendFailed, BackendMissing

_LAST_LINES = 12
_HINT = (
    "install the CUDA toolkit 13 (https://developer.nvidia.com/cuda-downloads), and put nvcc on PATH or set CUDA_HOME"
)


@dataclass(frozen=True)
class Nvcc:
    """One installed toolkit."""

    command: Path
    release: tuple[int, int]
    libraries: tuple[Path, ...]
    """Folders that may hold its shared libraries."""

    def fatbin(self, source: str, arch: str, folder: Path, name: str = "kernels") -> bytes:
        """Machine code for one architecture ("sm_89"), as the driver loads it. Raises BackendFailed."""
        code, made = folder / f"{name}.cu", folder / f"{name}.fatbin"
        code.write_text(source, "utf-8")
        number = arch.removeprefix("sm_")
        options = ["-w", "-O3", "-std=c++17", "-gencode", f"arch=compute_{number},code=sm_{number}"]
        self._run(["--fatbin", *options, "-o", str(made), str(code)], f"kernels for {arch}", code)
        return made.read_bytes()

    def library(self, source: str, path: Path) -> None:
        """Compile C++ to a shared library, whose name within is that of the file. Raises BackendFailed."""
        code = path.parent / f"{path.name}.cpp"
        code.write_text(source, "utf-8")
        name = f"-soname={path.name}"
        options = ["--shared", "--cudart", "none", "-Xcompiler", "-fPIC", "-Xlinker", name]
        self._run([*options, "-o", str(path), str(code)], path.name, code)

    def _run(self, arguments: Sequence[str], what: str, source: Path) -> None:
        done = subprocess.run([str(self.command), *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            tail = "".join(f"\n  {line}" for line in said[-_LAST_LINES:]) or " it said nothing"
            raise BackendFailed(
                f"{self.command} failed on {what}:{tail}",
                where=str(source),
                hint="nvcc needs a host compiler it supports on PATH (g++); the messages above name what it lacks",
            )


def find_nvcc() -> Nvcc:
    """The toolkit that CUDA_HOME names, or whose nvcc is on PATH. BackendMissing where there is none."""
    home = os.environ.get("CUDA_HOME", "")
    given = Path(home) / "bin" / "nvcc"
    found = str(given) if home and given.is_file() else shutil.which("nvcc")
    if found is None:
        looked = f"CUDA_HOME is {home!r}, which has no bin/nvcc, and" if home else "CUDA_HOME is not set, and"
        raise BackendMissing(f"CUDA kernels are compiled by nvcc: {looked} there is none on PATH", hint=_HINT)
    command = Path(found)
    try:
        done = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise BackendMissing(f"{found} cannot be run: {error}", hint=_HINT) from error
    release = re.search(r"release (\d+)\.(\d+)", done.stdout)
    if release is None:
        raise BackendMissing(f"{found} does not say which release it is", hint=_HINT)
    return Nvcc(command, (int(release[1]), int(release[2])), _libraries(home, command, int(release[1])))


def _libraries(home: str, command: Path, major: int) -> tuple[Path, ...]:
    """Beside the compiler, and where toolkits stand by default: what is on PATH may be a script that calls another."""
    roots = [Path(home)] if home else []
    roots += [
        command.resolve().parent.parent,
        Path("/usr/local/cuda"),
        *sorted(Path("/usr/local").glob(f"cuda-{major}*")),
    ]
    folders = [root / name for root in roots for name in ("lib64", "lib")]
    return tuple(folder for folder in dict.fromkeys(folders) if folder.is_dir())
