"""Networks in bf16 by the tile unit, which need not be at hand: `python -m tests.benchmarks.tvm_tiles [NETWORK ...]`.

How far they are from f32, by tiles and by what the processor at hand has, and how many dots a call does. On a
processor without the unit a dot takes some 20 microseconds, so no time is measured.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import isthmus
from tests.benchmarks import bench_bf16
from tests.benchmarks.measure import show
from tests.support import exported
from tests.support.tile_emulated import built_with_tiles, tile_unit

NETWORKS = ("resnet50", "mobilenet_v3_large", "bert_base")


def main(names: Sequence[str] = NETWORKS) -> None:
    """Run and print the networks that are named."""
    columns = ["network", "by tiles", "here", "tiles from here", "dots"]
    show("bf16 by tiles", columns, [_network(name) for name in names], "relative L2 errors, the first two against f32")


def _network(name: str) -> list[object]:
    model = exported.filled(name)
    given = exported.random_inputs(model, 1)
    exact = bench_bf16.compiled(model, "f32", 1)(given)
    program = isthmus.compile(model, "cpu-bf16@tvm", inputs=exported.shapes(model, 1), threads=1)
    here = program(given)
    executable = built_with_tiles(program.graph, threads=1)
    with TemporaryDirectory() as folder, tile_unit(Path(folder)) as dots:
        tiled = dict(zip(here, executable([given[v.name] for v in program.graph.inputs]), strict=True))
        errors = (bench_bf16.relative_error(*pair) for pair in ((tiled, exact), (here, exact), (tiled, here)))
        return [name, *(f"{each:.1e}" for each in errors), dots()]


if __name__ == "__main__":
    main(sys.argv[1:] or NETWORKS)
