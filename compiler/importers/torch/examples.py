"""Example arguments for torch.export: the tensors a user gave, or zeros of the shapes asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from isthmus.compiler.importers.torch.inputs import Leaf, example_sizes, read_inputs
from isthmus.compiler.importers.torch.types import torch_dtype
from isthmus.ir.dim import as_symbol


@dataclass(frozen=True)
class Examples:
    """Arguments a module can be called with, and which of their sizes are free."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    dynamic: dict[str, Any] | None
    """What torch.export calls dynamic_shapes; None where every size is fixed."""
    leaves: list[Leaf]
    """Every tensor among the arguments, in the order torch flattens them."""


def examples_for(forward: Callable[..., Any], inputs: Mapping[str, Any] | Sequence[Any]) -> Examples:
    """Arguments for `forward`. `inputs` are by parameter name, or in order. BadInput where they do not fit."""
    given = read_inputs(forward, inputs)
    sizes = example_sizes(given.leaves)
    values = [_zeros(leaf, sizes) if leaf.example is None else _tensor(leaf.example) for leaf in given.leaves]
    called = inspect.BoundArguments(given.bound.signature, given.filled(values))
    symbols: dict[str, Any] = {}
    specs = [_dynamic(leaf, symbols) for leaf in given.leaves]
    free = any(not isinstance(d, int) for leaf in given.leaves for d in leaf.dims)
    order = _order(called.args, called.kwargs, values)
    assert len(order) == len(values), "every leaf is passed once"
    dynamic = given.filled(specs, constants=False) if free else None
    return Examples(called.args, called.kwargs, dynamic, [given.leaves[i] for i in order])


def _tensor(example: Any) -> Any:
    return example if isinstance(example, torch.Tensor) else torch.from_numpy(np.array(example))


def _zeros(leaf: Leaf, sizes: Mapping[str, int]) -> Any:
    """Zeros: valid as indices into any table and as images alike."""
    shape = []
    for dim in leaf.dims:
        symbol = None if dim is None else as_symbol(dim)
        shape.append(2 if dim is None else dim if symbol is None else sizes[symbol.name])
    return torch.zeros(shape, dtype=torch_dtype(leaf.dtype))


def _dynamic(leaf: Leaf, symbols: dict[str, Any]) -> dict[int, Any]:
    spec: dict[int, Any] = {}
    for axis, dim in enumerate(leaf.dims):
        if dim is None:
            spec[axis] = torch.export.Dim.DYNAMIC
        elif (symbol := as_symbol(dim)) is not None:
            if symbol.name not in symbols:
                symbols[symbol.name] = torch.export.Dim(symbol.name, min=symbol.low, max=symbol.high)
            spec[axis] = symbols[symbol.name]
    return spec


def _order(args: Any, kwargs: Any, values: Sequence[Any]) -> list[int]:
    """The leaves in the order torch flattens arguments."""
    flat = torch.utils._pytree.tree_leaves((args, kwargs))
    places = {id(value): i for i, value in enumerate(values)}
    return [places[id(each)] for each in flat if isinstance(each, torch.Tensor)]
