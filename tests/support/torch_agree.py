"""How far a compiled program is from torch itself, on seeded inputs. Importing this imports torch."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from isthmus import Program
from isthmus.compiler.importers.torch.examples import examples_for
from isthmus.ir.graph import Value
from isthmus.ir.types import Array
from isthmus.passes.numerics import relative_error
from tests.support.torch_models import TorchModel, with_batch

BATCHES = (1, 3)
"""What a program with a free batch is tried with: neither is the size it was traced with."""
TRACED_BATCH = 2
_TOKENS = range(3, 90)
"""Within every vocabulary, and none of the tokens that mean begin, end or padding."""


def arrays_for(inputs: Sequence[Value], batch: int) -> dict[str, Array]:
    """Seeded inputs whose symbolic sizes are `batch`; masks hide some of the last tokens."""
    rng = np.random.default_rng(batch)
    found: dict[str, Array] = {}
    for value in inputs:
        shape = [size if isinstance(size, int) else batch for size in value.shape]
        if value.dtype.is_float:
            found[value.name] = rng.standard_normal(shape).astype(np.float32)
        elif "mask" in value.name:
            lengths = rng.integers(1, shape[1] + 1, (shape[0], 1))
            found[value.name] = (np.arange(shape[1]) < lengths).astype(np.int64)
        else:
            found[value.name] = rng.integers(_TOKENS.start, _TOKENS.stop, shape)
    return found


def eager(model: TorchModel, arrays: Mapping[str, Array]) -> list[Array]:
    """Every tensor that torch returns, in order."""
    with torch.no_grad():
        found = model.module(**{name: torch.from_numpy(arrays[name]) for name in model.inputs})
    return [tensor.numpy() for tensor in _tensors(found)]


def disagreement(program: Program, model: TorchModel, batches: Sequence[int] = BATCHES) -> float:
    """The largest relative L2 error of any output at any of the batch sizes."""
    worst = 0.0
    for batch in batches:
        arrays = arrays_for(program.graph.inputs, batch)
        ours, theirs = list(program(arrays).values()), eager(model, arrays)
        assert len(ours) == len(theirs), f"{len(ours)} outputs, torch has {len(theirs)}"
        worst = max(worst, *(relative_error(a, c) for a, c in zip(ours, theirs, strict=True)))
    return worst


def traced(model: TorchModel) -> Any:
    """The model as TorchScript, by torch.jit.trace."""
    forward = model.module.forward
    examples = examples_for(forward, with_batch(model.inputs, TRACED_BATCH))
    given = inspect.signature(forward).bind(*examples.args, **examples.kwargs).arguments
    keywords = {name: torch.ones_like(given[name]) for name in model.inputs}  # ones are tokens, and hide nothing
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # fused encoder kernels have no place in a graph
    model.module.forward = _flat(forward)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.jit.trace(model.module, example_kwarg_inputs=keywords, strict=False, check_trace=False)
    finally:
        model.module.forward = forward
        torch.backends.mha.set_fastpath_enabled(fast)


def _flat(forward: Callable[..., Any]) -> Callable[..., tuple[torch.Tensor, ...]]:
    """The same call giving its tensors in a tuple: of dicts, a trace keeps only plain ones."""

    @functools.wraps(forward)
    def flat(*args: Any, **keywords: Any) -> tuple[torch.Tensor, ...]:
        return tuple(_tensors(forward(*args, **keywords)))

    return flat


def _tensors(found: Any) -> list[torch.Tensor]:
    """In the order in which torch flattens what a module returned."""
    return [leaf for leaf in torch.utils._pytree.tree_leaves(found) if isinstance(leaf, torch.Tensor)]
