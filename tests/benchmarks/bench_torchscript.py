"""TorchScript against torch eager: traced, imported, compiled for cpu-fp32, and compared at two batch sizes.

`python -m tests.benchmarks.bench_torchscript [MODEL ...]`, for the architectures of tests/support/torch_models.py.
Needs the extra dev-torch.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

import isthmus
from isthmus.ir.types import Array
from isthmus.passes.numerics import relative_error
from tests.benchmarks.measure import show
from tests.support.torch_models import MODELS, TorchModel, make

LIMIT = 1e-5
BATCHES = (1, 3)
TRACED_WITH = 2


def main(names: Sequence[str] = ()) -> None:
    """Measure and print; without names, every architecture."""
    if find_spec("torch") is None:
        print("torch is not installed: pip install -e '.[dev-torch]'")
        return
    import torch

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_grad_enabled(False)
    rows = [_row(name) for name in names or MODELS]
    agreeing = sum(row[-1] == "agrees" for row in rows)
    columns = ["model", "import s", "nodes", "error", "verdict"]
    show("TorchScript", columns, rows, f"{agreeing} of {len(rows)} agree with torch within {LIMIT:g}")


def _row(name: str) -> list[Any]:
    import torch

    model = make(name)
    seconds, nodes, error = 0.0, 0, float("nan")
    try:
        example = tuple(_keywords(model, TRACED_WITH).values())
        script = torch.jit.trace(_positional(model), example, strict=False, check_trace=False)
        begin = time.perf_counter()
        graph = isthmus.import_model(script, inputs=tuple(model.inputs.values()))
        seconds, nodes = time.perf_counter() - begin, graph.op_count()
        program = isthmus.compile(graph, target="cpu-fp32")
        error = max(_error(program, model, batch) for batch in BATCHES)
        verdict = "agrees" if error < LIMIT else "differs"
    except Exception as failure:  # the table is the report: every model gets its line
        verdict = f"{type(failure).__name__}: {str(failure).strip().splitlines()[0][:60]}"
        print(f"{name}: {failure}", file=sys.stderr)
    print(f"{name}: {verdict} {error:.2g} in {seconds:.1f} s", file=sys.stderr, flush=True)
    return [name, seconds, nodes, error, verdict]


def _positional(model: TorchModel) -> Any:
    """The module called by position, giving tensors: tracing knows no classes of results."""
    import torch

    class Positional(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.model = model.module

        def forward(self, *values: Any) -> tuple[Any, ...]:
            return tuple(_tensors(self.model(**dict(zip(model.inputs, values, strict=True)))))

    return Positional().eval()


def _tensors(result: Any) -> list[Any]:
    """Every tensor in a result."""
    import torch

    plain = result.to_tuple() if hasattr(result, "to_tuple") else result
    if isinstance(plain, dict):
        return [each for part in plain.values() for each in _tensors(part)]
    if isinstance(plain, tuple | list):
        return [each for part in plain for each in _tensors(part)]
    return [plain] if isinstance(plain, torch.Tensor) else []


def _error(program: Any, model: TorchModel, batch: int) -> float:
    """The largest relative error over the outputs, at a batch size."""
    keywords = _keywords(model, batch)
    theirs = _tensors(model.module(**keywords))
    ours = program(*(each.numpy() for each in keywords.values())).values()
    return max(relative_error(a, b.numpy()) for a, b in zip(ours, theirs, strict=True))


def _keywords(model: TorchModel, batch: int) -> dict[str, Any]:
    """Tensors to call the module with: random images, tokens below 100, and masks that hide nothing."""
    import torch

    from isthmus.compiler.importers.torch.examples import examples_for

    examples = examples_for(model.module.forward, model.inputs)
    rng = np.random.default_rng(batch)
    made: dict[str, Any] = {}
    for leaf in examples.leaves:
        shape = [d if isinstance(d, int) else batch for d in leaf.dims]
        made[leaf.name] = torch.from_numpy(_array(leaf.name, leaf.dtype.is_float, shape, rng))
    return made


def _array(name: str, is_float: bool, shape: list[int], rng: np.random.Generator) -> Array:
    if is_float:
        return rng.standard_normal(shape).astype(np.float32)
    return np.ones(shape, np.int64) if "mask" in name else rng.integers(0, 100, shape)


if __name__ == "__main__":
    main(sys.argv[1:])
