"""TensorRT and TensorRT-RTX: the IR written through the native network API, built ahead of time in a child process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from isthmus.backends.base import Backend, BuildOptions, Precision, Refused, Support
from isthmus.backends.emitter import support
from isthmus.backends.options import EngineOptions
from isthmus.backends.tensorrt import arch as archs
from isthmus.backends.tensorrt import builder
from isthmus.backends.tensorrt.device import gpu
from isthmus.backends.tensorrt.library import Library, library
from isthmus.backends.tensorrt.limits import DEVIATIONS, refusal
from isthmus.backends.tensorrt.options import TensorRTOptions
from isthmus.backends.tensorrt.profiles import ShapeProfile, check_inputs, shape_profiles
from isthmus.backends.tensorrt.runtime import Execution
from isthmus.backends.tensorrt.session import Binding
from isthmus.backends.tensorrt.write import TABLE
from isthmus.ir.graph import Graph, Node


class TensorRTBackend(Backend):
    """NVIDIA's compiler, through whichever of its two packages is installed."""

    name: ClassVar[str] = "tensorrt"
    deviations: ClassVar[Mapping[str, str]] = DEVIATIONS
    options: ClassVar[type[EngineOptions] | None] = TensorRTOptions

    def supports(self, node: Node) -> Support:
        """By the types the engine has, then by the emission table."""
        reason = refusal(node)
        return support(TABLE, node) if reason is None else Refused(reason)

    def require_precision(self, precision: Precision, arch: str = "") -> None:
        """By what the library builds for here."""
        archs.require_precision(library(), precision, arch)

    def require_inputs(self, graph: Graph, options: EngineOptions | None) -> None:
        """Every size of an input needs a largest one."""
        check_inputs(graph, _settings(options))

    def build(self, graph: Graph, options: BuildOptions) -> Execution:
        """Build in a child process, or take what the store holds. The engine is opened where it is first called."""
        lib = library()
        self.require(graph)
        settings = _settings(options.engine)
        profiles = shape_profiles(graph, settings)
        built = builder.build(lib, graph, options, settings, profiles, archs.choose(lib, options.arch))
        inputs = [Binding(name, v.type) for name, v in zip(built.facts.inputs, graph.inputs, strict=True)]
        outputs = [Binding(name, v.type) for name, v in zip(built.facts.outputs, graph.outputs, strict=True)]
        info = _info(lib, built, profiles)
        if warning := archs.warning(lib, options.arch):
            info["engine"] += f"\n{warning}"
        if options.precision != "f32":
            ops = built.facts.in_f32.items()
            info["computed in f32"] = ", ".join(f"{count} x {op}" for op, count in ops) or "nothing"
        return Execution(lib, built.entry, inputs, outputs, profiles, built.arch.name, info, options.store, gpu)


def _settings(options: EngineOptions | None) -> TensorRTOptions:
    return options if isinstance(options, TensorRTOptions) else TensorRTOptions()


def _info(lib: Library, built: builder.Built, profiles: Sequence[ShapeProfile]) -> dict[str, str]:
    size = built.entry.file.stat().st_size / 1e6
    seconds = built.facts.seconds
    info = {
        "engine": f"{lib} for {built.arch}",
        "layers": f"{built.facts.layers}, {size:.1f} MB",
        "built": f"found, not built again (it took {seconds:.1f} s)" if built.found else f"in {seconds:.1f} s",
    }
    if profiles:
        info["profiles"] = "\n".join(
            ", ".join(f"{name} {list(s.least)} / {list(s.optimal)} / {list(s.largest)}" for name, s in profile.items())
            for profile in profiles
        )
    if built.facts.warnings:
        info["builder warnings"] = "\n".join(built.facts.warnings)
    return info
