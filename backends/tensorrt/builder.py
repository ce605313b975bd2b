"""How an engine comes about: found in the store by what it is made of, or built in a child process."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isthmus import ir
from isthmus.backends import child
from isthmus.backends.base import BuildOptions
from isthmus.backends.scratch import scratch
from isthmus.backends.sources import digest
from isthmus.backends.store import Entry
from isthmus.backends.tensorrt.arch import Arch
from isthmus.backends.tensorrt.attribution import last_named
from isthmus.backends.tensorrt.library import Library
from isthmus.backends.tensorrt.options import TensorRTOptions
from isthmus.backends.tensorrt.profiles import ShapeProfile
from isthmus.backends.tensorrt.worker import ENGINE, GRAPH, REQUEST, Request
from isthmus.ir import textfile
from isthmus.ir.graph import Graph
from isthmus.ir.printer import print_graph

WORKER = "isthmus.backends.tensorrt.worker:build"
"""What the child process calls."""


@dataclass(frozen=True)
class Facts:
    """What building an engine has found, as it lies in the store beside it."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: int
    in_f32: Mapping[str, int]
    """Op -> how many nodes compute in f32, be it in part."""
    warnings: tuple[str, ...]
    """What the builder warned of, with the layers it spoke of."""
    seconds: float
    """How long the build took."""

    @staticmethod
    def of(entry: Entry) -> Facts | None:
        """None where they are not what `build` has written."""
        try:
            found = dict(entry.facts)
            warnings = tuple(_warning(each) for each in found["warnings"])
            inputs, outputs = (tuple(map(str, found[side])) for side in ("inputs", "outputs"))
            in_f32 = {str(op): int(count) for op, count in found["in_f32"].items()}
            return Facts(inputs, outputs, int(found["layers"]), in_f32, warnings, float(found["seconds"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


@dataclass(frozen=True)
class Built:
    """An engine, and where it came from."""

    entry: Entry
    facts: Facts
    arch: Arch
    found: bool
    """Whether it was in the store."""


def build(
    lib: Library,
    graph: Graph,
    options: BuildOptions,
    settings: TensorRTOptions,
    profiles: Sequence[ShapeProfile],
    archs: Sequence[Arch],
    worker: str = WORKER,
) -> Built:
    """The engine of a graph for the first of `archs`; one that the store holds for any of them will do.

    Raises what the worker raises, and `child.Crashed`, with the node concerned where that shows, if it dies.
    """
    made_of = _made_of(lib, graph, settings, profiles)
    for arch in archs:
        entry = options.store.find(_key(made_of, arch))
        if entry is not None and (facts := Facts.of(entry)) is not None:
            return Built(entry, facts, arch, True)
    request = Request(archs[0].request, settings, profiles, options.threads)
    entry = _build(graph, request, options, _key(made_of, archs[0]), worker)
    built = Facts.of(entry)
    assert built is not None, "the worker tells all facts"
    return Built(entry, built, archs[0], False)


def _build(graph: Graph, request: Request, options: BuildOptions, key: str, worker: str) -> Entry:
    start = time.perf_counter()
    with scratch("build") as folder:
        textfile.dump(graph, folder / GRAPH)
        request.write(folder / REQUEST)
        try:
            found = child.run(worker, folder, options.progress)
        except child.Crashed as crash:
            crash.where = last_named(crash.log, list(_places(graph))) or f"@{graph.name}"
            raise
        return options.store.keep(key, folder / ENGINE, found | {"seconds": time.perf_counter() - start})


def _places(graph: Graph) -> Iterator[str]:
    for node in graph.walk():
        if node.loc is not None:
            yield str(node.loc)
        else:
            yield from (f"%{result.name}" for result in node.results if result.name)


def _made_of(
    lib: Library, graph: Graph, settings: TensorRTOptions, profiles: Sequence[ShapeProfile]
) -> Mapping[str, Any]:
    """All that decides what is built, but for the processor. Constants go by their whole hashes."""
    return {
        "library": [lib.name, lib.version],
        "code": digest(*_sources()),
        "options": settings.as_dict(),
        "profiles": [{name: asdict(sizes) for name, sizes in profile.items()} for profile in profiles],
        "graph": print_graph(graph),
        "constants": sorted(constant.digest for constant in textfile.stored_constants(graph).values()),
    }


def _key(made_of: Mapping[str, Any], arch: Arch) -> str:
    text = json.dumps({**made_of, "arch": [arch.request, arch.name, arch.device]}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _sources() -> list[Path]:
    """What writes networks, and the IR, by whose arithmetic weights are worked out."""
    own = Path(__file__).parent
    return [*own.parent.glob("*.py"), own, Path(ir.__file__).parent]


def _warning(told: Mapping[str, Any]) -> str:
    text, layers = str(told["text"]), [str(each) for each in told["layers"]]
    return text if not layers or all(each in text for each in layers) else f"{text} ({', '.join(layers)})"
