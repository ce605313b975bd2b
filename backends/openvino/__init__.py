"""OpenVINO on the CPU: the IR written through the engine's own op set, compiled, and run in the precision asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

from isthmus.backends.base import Backend, BuildOptions, Refused, Support
from isthmus.backends.emitter import brief, support
from isthmus.backends.openvino.limits import DEVIATIONS, refusal
from isthmus.backends.openvino.network import Handle, Network
from isthmus.backends.openvino.runtime import Execution, Output
from isthmus.backends.openvino.write import TABLE, write_nodes
from isthmus.ir.errors import BackendFailed, BackendMissing
from isthmus.ir.graph import Graph, Node, Value


class OpenVINOBackend(Backend):
    """Intel's CPU plugin."""

    name: ClassVar[str] = "openvino"
    deviations: ClassVar[Mapping[str, str]] = DEVIATIONS

    def supports(self, node: Node) -> Support:
        """By the types the plugin computes truthfully, then by the emission table."""
        reason = refusal(node)
        return support(TABLE, node) if reason is None else Refused(reason)

    def build(self, graph: Graph, options: BuildOptions) -> Execution:
        """Write, compile and bind the graph. Constants are shared with it, not copied."""
        self.require(graph)
        engine, ops = _engine()
        n = Network(engine, ops, write_nodes)
        parameters = [n.parameter(value) for value in graph.inputs]
        handles = write_nodes(n, graph, parameters)
        outputs, written = _outputs(graph, handles)
        results = [ops.result(handles[i]) for i in written]
        types = [value.type for value in graph.inputs]
        try:
            compiled = _compile(engine.Model(results, parameters, graph.name), options) if results else None
            return Execution(engine, compiled, types, outputs, n.kept, _info(engine, compiled))
        except RuntimeError as error:
            raise BackendFailed(f"OpenVINO did not compile: {brief(error)}", where=f"@{graph.name}") from error


def _compile(model: Any, options: BuildOptions) -> Any:
    return _core().compile_model(model, "CPU", _settings(options))


def _outputs(graph: Graph, handles: Sequence[Handle]) -> tuple[list[Output], list[int]]:
    """Where each output is taken from, and which outputs the network must have: inputs pass by, repeats count once."""
    outputs: list[Output] = []
    ports: dict[Value, int] = {}
    written: list[int] = []
    for i, (value, handle) in enumerate(zip(graph.outputs, handles, strict=True)):
        if value.node is None:
            outputs.append(Output(value.type, passed=value.index))
            continue
        if value not in ports:
            ports[value] = len(written)
            written.append(i)
        outputs.append(Output(value.type, port=ports[value], fixed=not _is_parameter(handle)))
    return outputs, written


def _is_parameter(handle: Handle) -> bool:
    node = handle if hasattr(handle, "get_type_name") else handle.get_node()
    return bool(node.get_type_name() == "Parameter")


def _settings(options: BuildOptions) -> dict[str, Any]:
    """f32 stays f32: left alone, the plugin takes bf16 where the processor has it, and 8 bits for packed weights."""
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": options.precision,
        "PERFORMANCE_HINT": "LATENCY",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
        "KV_CACHE_PRECISION": options.precision,
    }
    if options.threads is not None:
        settings["INFERENCE_NUM_THREADS"] = options.threads
    return settings


def _info(engine: ModuleType, compiled: Any) -> dict[str, str]:
    if compiled is None:
        return {"engine": f"OpenVINO {engine.__version__}"}
    names = ("INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS", "NUM_STREAMS")
    return {"engine": f"OpenVINO {engine.__version__}", **{p.lower(): str(compiled.get_property(p)) for p in names}}


@cache
def _core() -> Any:
    """One engine for the process: starting it costs more than compiling a small network."""
    return import_module("openvino").Core()


def _engine() -> tuple[ModuleType, ModuleType]:
    try:
        return import_module("openvino"), import_module("openvino.opset16")
    except ImportError as error:
        raise BackendMissing(f"openvino cannot be imported: {error}", hint="pip install 'openvino>=2025.4'") from error
