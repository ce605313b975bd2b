"""What the child process does: read the graph, write it into a network, and build an engine from that."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isthmus.backends.child import Tell
from isthmus.backends.tensorrt.attribution import layers_in, named_layers
from isthmus.backends.tensorrt.device import gpu_arch
from isthmus.backends.tensorrt.library import Library, library
from isthmus.backends.tensorrt.messages import Messages
from isthmus.backends.tensorrt.monitor import Phases, monitor
from isthmus.backends.tensorrt.options import TensorRTOptions
from isthmus.backends.tensorrt.profiles import ShapeProfile, ShapeRange
from isthmus.backends.tensorrt.widened import ops_in_f32
from isthmus.backends.tensorrt.write import write_network
from isthmus.ir import textfile
from isthmus.ir.errors import BackendFailed, BadArgument

GRAPH, REQUEST, ENGINE = "graph.isth", "request.json", "built.engine"
"""What lies in the folder: the legalized graph, how to build it, and afterwards the engine."""

_MOST_THREADS = (1 << 31) - 1


@dataclass(frozen=True)
class Request:
    """How to build."""

    arch: str
    """Such as `sm89`, `CURRENT`, or "" for all that the library builds for when none is named."""
    options: TensorRTOptions
    profiles: Sequence[ShapeProfile]
    threads: int | None

    def write(self, path: Path) -> None:
        """As JSON."""
        profiles = [{name: asdict(sizes) for name, sizes in profile.items()} for profile in self.profiles]
        facts = {"arch": self.arch, "options": self.options.as_dict(), "profiles": profiles, "threads": self.threads}
        path.write_text(json.dumps(facts, indent=2), "utf-8")

    @staticmethod
    def read(path: Path) -> Request:
        """What `write` wrote."""
        facts = json.loads(path.read_text("utf-8"))
        profiles = [
            {name: ShapeRange(**{side: tuple(sizes[side]) for side in sizes}) for name, sizes in profile.items()}
            for profile in facts["profiles"]
        ]
        return Request(facts["arch"], TensorRTOptions.of(facts["options"]), profiles, facts["threads"])


def build(folder: Path, tell: Tell) -> None:
    """Leave the engine in `ENGINE` and tell its `Facts`. Raises BackendFailed, BadArgument."""
    request = Request.read(folder / REQUEST)
    lib = library()
    messages = Messages(without_gpu=not gpu_arch())

    def heard(severity: str, text: str) -> None:
        print(f"{severity}: {text}", file=sys.stderr, flush=True)
        messages(severity, text)

    logger = lib.logger(heard)
    builder = lib.module.Builder(logger)
    if request.threads is not None:
        builder.max_threads = min(request.threads, _MOST_THREADS)
    graph = textfile.load(folder / GRAPH)
    network = write_network(lib, builder, graph, messages)
    definition = network.definition
    config = configuration(lib, builder, request)
    _add_profiles(builder, config, definition, request, messages)
    watched = monitor(lib.module, Phases(tell.step))
    config.progress_monitor = watched
    engine = builder.build_serialized_network(definition, config)
    layers = named_layers(definition)
    if engine is None:
        raise _failure(messages, layers, definition.name)
    with open(folder / ENGINE, "wb") as file:
        file.write(memoryview(engine))
    wide = ops_in_f32(definition, lib.module.DataType.FLOAT, network.names.nodes, graph)
    tell.found(
        {
            "inputs": [definition.get_input(i).name for i in range(definition.num_inputs)],
            "outputs": [definition.get_output(i).name for i in range(definition.num_outputs)],
            "layers": definition.num_layers,
            "in_f32": dict(wide.most_common()),
            "warnings": [_told(text, layers) for text in dict.fromkeys(messages.warnings)],
        }
    )


def configuration(lib: Library, builder: Any, request: Request) -> Any:
    """An `IBuilderConfig` as asked for, without profiles."""
    trt, options = lib.module, request.options
    config = builder.create_builder_config()
    config.builder_optimization_level = options.optimization_level
    # Left alone, the builder takes TF32 for f32, and 0 for 0 * x even where x is NaN or infinite.
    config.clear_flag(trt.BuilderFlag.TF32)
    config.set_flag(trt.BuilderFlag.STRICT_NANS)
    if options.tf32:
        config.set_flag(trt.BuilderFlag.TF32)
    if options.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    if request.arch:
        lib.target(config, request.arch)
    return config


def _add_profiles(builder: Any, config: Any, definition: Any, request: Request, messages: Messages) -> None:
    inputs = [definition.get_input(i) for i in range(definition.num_inputs)]
    values = {x.name: request.options.values[x.name] for x in inputs if x.name in request.options.values}
    shaping = [x for x in inputs if x.is_shape_tensor]
    if lacking := [x for x in shaping if x.name not in values]:
        raise _missing_values(lacking)
    if idle := sorted(set(values) - {x.name for x in shaping}):
        raise BadArgument(
            f"option values gives ranges for {', '.join(idle)}, whose elements decide no shape",
            hint="leave them out: their elements may be anything",
        )
    for shapes in request.profiles or ([{}] if shaping else []):
        profile = builder.create_optimization_profile()
        for name, sizes in shapes.items():
            profile.set_shape(name, sizes.least, sizes.optimal, sizes.largest)
        for x in shaping:
            profile.set_shape_input(x.name, *values[x.name])
        if config.add_optimization_profile(profile) < 0:
            raise messages.failure("the builder takes no such profile")


def _missing_values(inputs: Sequence[Any]) -> BadArgument:
    sides = ("1", "8", "32")

    def count(x: Any) -> int:
        return int(x.shape[0]) if len(x.shape) else 1

    def example(x: Any) -> str:
        return ", ".join(f"({', '.join([side] * count(x))}{',' * (count(x) == 1)})" for side in sides)

    names = ", ".join(repr(x.name) for x in inputs)
    ranges = ", ".join(f'"{x.name}": ({example(x)})' for x in inputs)
    texts = ",".join(f"{x.name}:{'..'.join('x'.join([side] * count(x)) for side in sides)}" for x in inputs)
    return BadArgument(
        f"the elements of input {names} decide the shape of something, so TensorRT must know their range",
        hint=f"give options=TensorRTOptions(values={{{ranges}}}), the least, optimal and largest elements"
        f" (on the command line: --option values={texts}), or make the input a constant of the model",
    )


def _failure(messages: Messages, layers: Sequence[str], name: str) -> BackendFailed:
    text = "\n  ".join(dict.fromkeys(messages.errors)) or "it gave no reason"
    concerned = layers_in(text, layers)
    small = "workspace" in text
    return BackendFailed(
        f"TensorRT did not build: {text}",
        where=", ".join(concerned) or f"@{name}",
        hint="allow more scratch memory with the option workspace" if small else "",
    )


def _told(text: str, layers: Sequence[str]) -> Mapping[str, Any]:
    return {"text": text, "layers": layers_in(text, layers)}
