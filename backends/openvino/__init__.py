"""OpenVINO on the CPU: the IR written through the engine's own op set, compiled, and run in the precision asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

from isthmus.backends.base import Backend, BuildOptions, Precision, Refused, Support
from isthmus.backends.emitter import brief, support
from isthmus.backends.openvino import device
from isthmus.backends.openvino.limits import DEVIATIONS, MOVES_ONLY, refusal
from isthmus.backends.openvino.network import Handle, Network
from isthmus.backends.openvino.runtime import Execution, Output
from isthmus.backends.openvino.write import TABLE, write_nodes
from isthmus.ir.errors import BackendFailed
from isthmus.ir.graph import Graph, Node, Value
from isthmus.ir.types import F16


class OpenVINOBackend(Backend):
    """Intel's CPU plugin."""

    name: ClassVar[str] = "openvino"
    deviations: ClassVar[Mapping[str, str]] = DEVIATIONS

    def supports(self, node: Node) -> Support:
        """By the types the plugin computes truthfully, then by the emission table."""
        reason = refusal(node)
        return support(TABLE, node) if reason is None else Refused(reason)

    def require_precision(self, precision: Precision, arch: str = "") -> None:
        """By what the plugin says of this processor."""
        device.require_precision(precision)

    def build(self, graph: Graph, options: BuildOptions) -> Execution:
        """Write, compile and bind the graph. Constants are shared with it, not copied.

        What was compiled is then held against the graph's types: BackendFailed if lowered matrix work came out in f32.
        """
        engine = device.engine()
        self.require_precision(options.precision)
        self.require(graph)
        ops = import_module("openvino.opset16")
        n = Network(engine, ops, write_nodes)
        parameters = [n.parameter(value) for value in graph.inputs]
        handles = write_nodes(n, graph, parameters)
        outputs, written = _outputs(graph, handles)
        results = [ops.result(handles[i]) for i in written]
        types = [value.type for value in graph.inputs]
        model = engine.Model(results, parameters, graph.name) if results else None
        settings = _settings(graph, options)

        def execution(**more: str) -> Execution:
            compiled = None if model is None else device.core().compile_model(model, "CPU", settings | more)
            return Execution(
                engine, compiled, types, outputs, n.kept, _info(engine, compiled), n.labels.nodes, execution
            )

        try:
            built = execution()
        except RuntimeError as error:
            raise BackendFailed(f"OpenVINO did not compile: {brief(error)}", where=f"@{graph.name}") from error
        built.survey.require(graph.name)
        return built


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


def _settings(graph: Graph, options: BuildOptions) -> dict[str, Any]:
    """Left alone, the plugin takes bf16 where the processor has it, and 8 bits for packed weights.

    Asked for f32, it computes f32 nodes in f32 and bf16 nodes in bf16, as they are typed. It has no typed f16: what is
    f16 it computes so only when asked to.
    """
    precision = "f16" if _computes_in_f16(graph) else "f32"
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
        "KV_CACHE_PRECISION": precision,
    }
    if options.threads is not None:
        settings["INFERENCE_NUM_THREADS"] = options.threads
    return settings


def _computes_in_f16(graph: Graph) -> bool:
    return any(node.op.name not in MOVES_ONLY and any(r.dtype == F16 for r in node.results) for node in graph.walk())


def _info(engine: ModuleType, compiled: Any) -> dict[str, str]:
    if compiled is None:
        return {"engine": f"OpenVINO {engine.__version__}"}
    names = ("INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS", "NUM_STREAMS")
    return {"engine": f"OpenVINO {engine.__version__}", **{p.lower(): str(compiled.get_property(p)) for p in names}}
