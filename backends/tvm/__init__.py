"""Apache TVM: kernels of our own, written as TIR, compiled by LLVM and called through Relax."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from isthmus.backends.base import Backend, BuildOptions, Executable, Refused, Support
from isthmus.backends.emitter import brief, support
from isthmus.backends.tvm import regions
from isthmus.backends.tvm.compilation import compiled, stored
from isthmus.backends.tvm.function import define
from isthmus.backends.tvm.library import engine
from isthmus.backends.tvm.limits import DEVIATIONS, LIBRARY_ONLY, refusal
from isthmus.backends.tvm.module import Module
from isthmus.backends.tvm.runtime import Execution
from isthmus.backends.tvm.write import TABLE, write_nodes
from isthmus.ir.errors import BackendFailed, IsthmusError
from isthmus.ir.graph import Graph, Node
from isthmus.passes.fold import fold_node


class TVMBackend(Backend):
    """The open compiler, on the CPU, and ahead of time for NVIDIA's GPUs."""

    name: ClassVar[str] = "tvm"
    deviations: ClassVar[Mapping[str, str]] = DEVIATIONS

    def __init__(self, *, is_generating: bool = True, is_isolated: bool = True, is_optimized: bool = True) -> None:
        """With the kernel library unless `is_generating` is false; compiling in a process of its own unless
        `is_isolated` is: a child costs seconds, and only its crash does not end the caller's process. In the caller's,
        LLVM's optimizations, which are half of the time, may be left out: `is_optimized`.
        """
        self._is_generating = is_generating
        self._is_isolated = is_isolated
        self._is_optimized = is_optimized

    def supports(self, node: Node) -> Support:
        """By the types that are carried, then by the emission table."""
        reason = refusal(node)
        if reason is None and node.op.name in LIBRARY_ONLY and not self._is_generating:
            reason = "written by the kernel library only"
        return support(TABLE, node) if reason is None else Refused(reason)

    def legalize(self, graph: Graph) -> bool:
        """Replace composites; what they are made of and constants alone decide, as a norm's factors, is known then."""
        changed = super().legalize(graph)
        if changed:
            for node in graph.nodes:
                fold_node(graph, node)
        return changed

    def build(self, graph: Graph, options: BuildOptions) -> Executable:
        """Write, compile and bind the graph: for the processor at hand, or for the GPU architecture that is named.

        Constants that kernels read as they are are shared with it.
        """
        tvm = engine()
        self.require(graph)
        if options.arch:
            from isthmus.backends.tvm.cuda.backend import build

            return build(graph, options)
        from isthmus.backends.tvm.schedules.machine import detect, processor
        from isthmus.backends.tvm.schedules.table import generator_for

        regions.register()
        machine = detect(options.threads)
        module = Module(machine, generator_for if self._is_generating else None)
        constants = define(module, write_nodes, graph, "main").arrays
        written, cpu = module.finish(), processor()
        try:
            entry, found = stored(written, cpu, options) if self._is_isolated else (None, False)
            if entry is None:
                code = compiled(written, cpu, is_optimized=self._is_optimized)
            else:
                code = tvm.runtime.load_module(str(entry.file))
            machine_code = tvm.relax.VirtualMachine(code, tvm.cpu())
        except IsthmusError as error:
            error.where = error.where or f"@{graph.name}"
            raise
        except Exception as error:
            raise BackendFailed(f"TVM did not compile: {brief(error)}", where=f"@{graph.name}") from error
        return Execution(
            machine_code["main"],
            [v.type for v in graph.inputs],
            [v.type for v in graph.outputs],
            constants,
            machine.threads,
            _info(tvm.__version__, cpu, module, is_found=found),
            (machine_code, code),
            () if entry is None else (entry.key,),
        )


def _info(version: str, processor: str, module: Module, *, is_found: bool) -> dict[str, str]:
    used = Counter(module.titles)
    kernels = ", ".join(f"{title} x{count}" for title, count in used.items())
    return {
        "engine": f"TVM {version}",
        "processor": processor,
        "built": "found where libraries are kept" if is_found else "now",
        **({"kernels": kernels} if kernels else {}),
        **({"default kernels": "\n".join(module.notes)} if module.notes else {}),
    }
