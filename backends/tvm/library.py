"""The engine's package, loaded when something is first built or run, and the settings it reads only once."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from isthmus.backends.tvm import fence
from isthmus.ir.errors import BackendMissing

INSTALL = "pip install 'apache-tvm>=0.27,<0.28' 'apache-tvm-ffi==0.1.14.post1'"
_MINOR = "0.27."
_BROKEN_FFI = frozenset(("0.1.15",))
"""Releases of apache-tvm-ffi with which tensorizing a schedule, and saving a module, end the process."""


@cache
def engine() -> ModuleType:
    """The `tvm` package; BackendMissing where it is absent or of a release this backend was not written for."""
    _require_versions()
    # Read once, when the engine starts its threads: it would take half of the cores, and pin the caller to one of them.
    os.environ.setdefault("TVM_NUM_THREADS", str(os.cpu_count() or 1))
    os.environ.setdefault("TVM_BIND_THREADS", "0")
    try:
        tvm = import_module("tvm")
        import_module("tvm.relax")
    except (ImportError, OSError, RuntimeError) as error:
        raise BackendMissing(f"tvm cannot be imported: {error}", hint=INSTALL) from error
    fence.register()
    return tvm


def _require_versions() -> None:
    try:
        found, ffi = version("apache-tvm"), version("apache-tvm-ffi")
    except PackageNotFoundError as error:
        raise BackendMissing(f"{error.name} is not installed", hint=INSTALL) from error
    if not found.startswith(_MINOR):
        raise BackendMissing(f"apache-tvm {found} is installed, this backend is written for {_MINOR}x", hint=INSTALL)
    if ffi in _BROKEN_FFI:
        raise BackendMissing(f"apache-tvm {found} crashes with apache-tvm-ffi {ffi}", hint=INSTALL)
