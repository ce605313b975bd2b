"""torch models imported directly: do they agree, and how do they compare with the way through torch.onnx.export?

`python -m tests.benchmarks.bench_torch [NAME ...]`; all of tests/support/torch_models.py without names. Needs the extra
dev-torch. Both ways start from one ExportedProgram with a free batch. An error is the largest relative L2 error of any
output at batches of 1 and 3, against torch eager; a ratio is somebody else's time over ours.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any

import isthmus
from tests.benchmarks.measure import geometric_mean, medians, seconds, show

LIMIT = 1e-5
THREADS = 2
ROUNDS = 15
LINES_SHOWN = 8
BATCH = 1
COMPILED = (
    "resnet50",
    "mobilenet_v3_small",
    "convnext_tiny",
    "vit_b_16",
    "swin_t",
    "unet",
    "bert_base",
    "gpt2",
    "llama",
)
"""What torch.compile is timed on: it takes a minute each."""


@dataclass
class Figures:
    """What was found out about one model; None where a step failed or was left out."""

    name: str
    export: float | None = None
    """Error of what was imported, with a free batch if it can be."""
    batch: bool = False
    """Whether its batch is free."""
    script: float | None = None
    """Error of the same model by torch.jit.trace."""
    nodes: int | None = None
    onnx_nodes: int | None = None
    ms: float | None = None
    onnx_ratio: float | None = None
    eager_ratio: float | None = None
    compiled_ratio: float | None = None
    import_s: float | None = None
    script_s: float | None = None
    """Of the trace."""
    onnx_s: float | None = None


def main(names: Sequence[str] = ()) -> None:
    """Measure and print; what fails says why on a line of its own."""
    if find_spec("torch") is None:
        print("torch is not installed: pip install -e '.[dev-torch]'")
        return
    import torch

    from tests.support.torch_models import MODELS

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_grad_enabled(False)
    torch.set_num_threads(THREADS)
    if unknown := [name for name in names if name not in MODELS]:
        sys.exit(f"no model is called {unknown[0]!r}; there are: {', '.join(MODELS)}")
    _warm_up()
    found = [_figures(name) for name in names or MODELS]
    columns = [each.name for each in fields(Figures)]
    rows = [["-" if (cell := getattr(each, name)) is None else cell for name in columns] for each in found]
    show("torch models", [name.replace("_", " ") for name in columns], rows, _summary(found))


def _warm_up() -> None:
    """Load what torch.export and torch.onnx.export load at their first use."""
    import torch

    program = torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),))
    torch.onnx.export(program, dynamo=True, verbose=False)
    isthmus.import_model(program)


def _figures(name: str) -> Figures:
    from tests.support.torch_models import make

    found, model = Figures(name), make(name)
    steps: dict[str, Callable[[Figures, Any], None]] = {"export": _export, "TorchScript": _script}
    for step, measure in steps.items():
        try:
            measure(found, model)
        except Exception as error:  # the other models are still to come
            reason = "\n    ".join(str(error).splitlines()[:LINES_SHOWN])
            print(f"{name} by {step}: {type(error).__name__}: {reason}", flush=True)
    print(found, flush=True)
    return found


def _export(found: Figures, model: Any) -> None:
    """torch.export, then directly and through ONNX."""
    import torch

    from tests.support.torch_agree import BATCHES, TRACED_BATCH, arrays_for, disagreement

    exported = _exported(found, model)
    made: dict[str, Any] = {}

    def ours() -> None:
        made["direct"] = isthmus.import_model(exported)

    found.import_s = seconds(ours)
    direct = isthmus.compile(made["direct"], threads=THREADS)
    found.export = disagreement(direct, model, BATCHES if found.batch else (TRACED_BATCH,))
    found.nodes = isthmus.optimize(made["direct"]).op_count()

    def theirs() -> None:
        made["onnx"] = torch.onnx.export(exported, dynamo=True, verbose=False).model_proto

    found.onnx_s = seconds(theirs)
    graph = isthmus.import_model(made["onnx"])
    found.onnx_nodes = isthmus.optimize(graph).op_count()
    through = isthmus.compile(graph, threads=THREADS)
    arrays = arrays_for(direct.graph.inputs, BATCH if found.batch else TRACED_BATCH)
    renamed = dict(zip((v.name for v in graph.inputs), arrays.values(), strict=True))
    keywords = {name: torch.from_numpy(array) for name, array in arrays.items()}
    calls: dict[str, Callable[[], object]] = {
        "direct": lambda: direct(arrays),
        "onnx": lambda: through(renamed),
        "eager": lambda: model.module(**keywords),
    }
    if found.name in COMPILED:
        compiled = torch.compile(model.module)
        calls["compiled"] = lambda: compiled(**keywords)
    for call in calls.values():
        call()
    times = medians(calls, ROUNDS)
    ratios = {name: each / times["direct"] for name, each in times.items()}
    found.ms = 1e3 * times["direct"]
    found.onnx_ratio, found.eager_ratio, found.compiled_ratio = ratios["onnx"], ratios["eager"], ratios.get("compiled")


def _exported(found: Figures, model: Any) -> Any:
    """The ExportedProgram, with a free batch where torch.export can."""
    from isthmus.compiler.importers.torch.examples import examples_for
    from isthmus.compiler.importers.torch.export import export
    from tests.support.torch_agree import TRACED_BATCH
    from tests.support.torch_models import with_batch

    try:
        exported = export(model.module, examples_for(model.module.forward, model.inputs))
    except isthmus.IsthmusError as error:
        print(f"{found.name} with a free batch: {error}", flush=True)
        return export(model.module, examples_for(model.module.forward, with_batch(model.inputs, TRACED_BATCH)))
    found.batch = True
    return exported


def _script(found: Figures, model: Any) -> None:
    """torch.jit.trace, and the importer's way for TorchScript."""
    from tests.support.torch_agree import BATCHES, TRACED_BATCH, disagreement, traced
    from tests.support.torch_models import with_batch

    inputs = model.inputs if found.batch else with_batch(model.inputs, TRACED_BATCH)
    script = traced(model)
    made: dict[str, Any] = {}

    def ours() -> None:
        made["graph"] = isthmus.import_model(script, inputs=inputs)

    found.script_s = seconds(ours)
    program = isthmus.compile(made["graph"], threads=THREADS)
    found.script = disagreement(program, model, BATCHES if found.batch else (TRACED_BATCH,))


def _summary(found: Sequence[Figures]) -> str:
    """How many agree, how many are free in their batch, and the geometric means of the ratios."""
    agree = {name: sum(1 for each in found if _good(getattr(each, name))) for name in ("export", "script")}
    free = sum(1 for each in found if each.batch and _good(each.export))
    more = [each.name for each in found if each.nodes and each.onnx_nodes and each.nodes > each.onnx_nodes]
    lines = [
        f"of {len(found)}: {agree['export']} agree by torch.export, {free} of them with a free batch,"
        f" {agree['script']} by TorchScript; more nodes than by ONNX: {', '.join(more) or 'none'}"
    ]
    for name in ("onnx_ratio", "eager_ratio", "compiled_ratio"):
        if ratios := [ratio for each in found if (ratio := getattr(each, name))]:
            lines.append(f"{name}: geometric mean {geometric_mean(ratios):.2f}, least {min(ratios):.2f}")
    return "\n".join(lines)


def _good(error: float | None) -> bool:
    return error is not None and error < LIMIT


if __name__ == "__main__":
    main(sys.argv[1:])
