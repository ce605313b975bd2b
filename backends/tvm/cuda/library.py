"""Libraries for a GPU in the store: built in a process of their own unless they lie there already."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from isthmus.backends import child
from isthmus.backends.base import BuildOptions
from isthmus.backends.scratch import scratch
from isthmus.backends.sources import digest
from isthmus.backends.store import Entry
from isthmus.backends.tvm.compilation import SOURCES
from isthmus.backends.tvm.cuda.arch import arch_called
from isthmus.backends.tvm.cuda.build import build
from isthmus.backends.tvm.cuda.nvcc import find_nvcc
from isthmus.backends.tvm.library import engine

MODULE, REQUEST = "module.json", "request.json"
"""What the child process is given."""

WORK = "isthmus.backends.tvm.cuda.library:work"


def library(module: Any, arch: str, options: BuildOptions) -> Entry:
    """The library of a Relax module for an architecture (`sm89`); what is known of it is `build.Built.facts`.

    Raises what `build` raises, and `child.Crashed` where the process dies.
    """
    tvm = engine()
    text = tvm.ir.save_json(module)
    made_of = (tvm.__version__, digest(SOURCES), arch_called(arch).name, text)
    key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()
    if (entry := options.store.find(key)) is not None:
        return entry
    find_nvcc()  # said before a process is started
    with scratch("build") as folder:
        (folder / MODULE).write_text(text, "utf-8")
        (folder / REQUEST).write_text(json.dumps({"arch": arch}), "utf-8")
        found = child.run(WORK, folder, options.progress)
        return options.store.keep(key, folder / found.pop("file"), found)


def work(folder: Path, tell: child.Tell) -> None:
    """What the child process does: compile the module that lies in the folder, and leave the library there."""
    module = engine().ir.load_json((folder / MODULE).read_text("utf-8"))
    arch = json.loads((folder / REQUEST).read_text("utf-8"))["arch"]
    built = build(module, arch, tell.step, folder)
    tell.found({"file": built.file.name, **built.facts()})
