"""From a Relax module to a library: the engine's own lowering, without what would rewrite or schedule kernels."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from isthmus.backends import child
from isthmus.backends.base import BuildOptions
from isthmus.backends.emitter import brief
from isthmus.backends.scratch import scratch
from isthmus.backends.sources import digest
from isthmus.backends.store import Entry
from isthmus.backends.tvm.fence import through_memory
from isthmus.backends.tvm.library import engine
from isthmus.backends.tvm.schedules.ramps import bare_ramps
from isthmus.ir.errors import BackendFailed, BackendMissing

MODULE, REQUEST, LIBRARY = "module.json", "request.json", "kernels.so"
"""What a child process is given, and what it leaves."""

WORK = "isthmus.backends.tvm.compilation:work"

SOURCES = Path(__file__).parent
"""The code that makes libraries of modules."""


def pipeline() -> Any:
    """The engine's passes from calls of kernels to instructions of its virtual machine."""
    tvm = engine()
    transform = tvm.relax.transform
    return tvm.transform.Sequential(
        [
            transform.ToNonDataflow(),
            transform.RemovePurityChecking(),
            transform.CallTIRRewrite(),
            transform.StaticPlanBlockMemory(),
            transform.LowerAllocTensor(),
            transform.KillAfterLastUse(),
            transform.LowerRuntimeBuiltin(),
            transform.ComputePrimValue(),
            transform.VMShapeLower(),
            transform.AttachGlobalSymbol(),
        ]
    )


_KERNELS = "isthmus"
"""What the engine knows `kernel_pipeline` by."""


def kernel_pipeline() -> tuple[Any, Any, Any]:
    """The engine's passes from TIR as it is written to TIR as LLVM takes it.

    Its own list has passes for what our kernels do not contain, and four that simplify integers: they substitute
    variables by their values and take seconds for one rounding to bf16. LLVM simplifies what matters. The checks
    of arguments that MakePackedAPI writes would be most of the code; only our own functions call kernels.
    """
    tvm = engine()
    scheduled, plain = tvm.s_tir.transform, tvm.tirx.transform
    lowering = tvm.transform.Sequential(
        [
            scheduled.CanonicalizeLoop(),
            scheduled.LowerInitBlock(),
            scheduled.PlanAndUpdateBufferAllocationLocation(),
            scheduled.ConvertBlocksToOpaque(),
            scheduled.LowerOpaqueBlock(),
            plain.FlattenBuffer(),
            plain.prim_func_pass(lambda function, *_: bare_ramps(function), opt_level=0, name="bare_ramps"),
            plain.NarrowDataType(32),
            plain.VectorizeLoop(True),
            plain.StorageRewrite(),
            plain.UnrollLoop(),
            plain.VerifyMemory(),
            plain.AnnotateEntryFunc(),
            plain.SplitHostDevice(),
            plain.MakePackedAPI(),
            plain.SkipAssert(),
        ]
    )
    fences = plain.prim_func_pass(lambda function, *_: through_memory(function), opt_level=0, name="through_memory")
    host = tvm.transform.Sequential([plain.LowerTVMBuiltin(), plain.LowerIntrin(), fences])
    return lowering, lambda: host, lambda: tvm.transform.Sequential([])


def compiled(module: Any, processor: str, *, is_optimized: bool = True) -> Any:
    """An executable for a processor, as LLVM calls it ("znver4"); with LLVM's optimizations unless told otherwise."""
    tvm = engine()
    plainly = {} if is_optimized else {"opt-level": 0}
    target = tvm.target.Target({"kind": "llvm", "mcpu": processor, **plainly})
    tvm.tirx.compilation_pipeline.register_tir_pipeline(_KERNELS, kernel_pipeline)
    return tvm.compile(module, target=target, relax_pipeline=pipeline(), tir_pipeline=_KERNELS)


def stored(module: Any, processor: str, options: BuildOptions) -> tuple[Entry, bool]:
    """The module as a shared library in the store, and whether it lay there before: else a child process compiles it.

    Raises BackendFailed with what the engine says, `child.Crashed` where the process dies, and BackendMissing where
    there is nothing to link with.
    """
    tvm = engine()
    text = tvm.ir.save_json(module)
    key = hashlib.sha256("\0".join((tvm.__version__, digest(SOURCES), processor, text)).encode()).hexdigest()
    if (entry := options.store.find(key)) is not None:
        return entry, True
    _require_linker()  # said before a process is started
    with scratch("build") as folder:
        (folder / MODULE).write_text(text, "utf-8")
        (folder / REQUEST).write_text(json.dumps({"processor": processor}), "utf-8")
        found = child.run(WORK, folder, options.progress)
        return options.store.keep(key, folder / LIBRARY, found), False


def _require_linker() -> None:
    """BackendMissing where there is no compiler to link with: the engine would not say so."""
    from tvm.support import cc

    if cc.get_cc() is None:
        raise BackendMissing(
            "libraries are linked by a C++ compiler, and PATH has none",
            hint="install g++ or clang, or set CXX to where one is",
        )


def work(folder: Path, tell: child.Tell) -> None:
    """What the child process does: compile the module that lies in the folder, and leave the library there.

    Raises BackendFailed with what the engine, or the compiler that links, says.
    """
    # The engine imports torch wherever that is installed, which takes as long as compiling a small network.
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]
    tvm = engine()
    tell.step("read", 0, 3)
    module = tvm.ir.load_json((folder / MODULE).read_text("utf-8"))
    processor = json.loads((folder / REQUEST).read_text("utf-8"))["processor"]
    tell.step("compile", 1, 3)
    try:
        executable = compiled(module, processor)
        tell.step("link", 2, 3)
        executable.export_library(str(folder / LIBRARY))
    except Exception as error:
        raise BackendFailed(f"TVM did not compile: {brief(error)}") from error
    tell.found({"functions": len(module.functions)})
