"""Weights: numpy views over torch's own storage, one constant for each tensor however often it is tied."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from isthmus.compiler.importers.torch.types import dtype_from
from isthmus.ir.constant import Constant
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Graph
from isthmus.ir.types import Array, TensorType

_BITS = {1: torch.uint8, 2: torch.int16}
"""Integers as wide as an element type numpy has no name for, by bytes."""


class State:
    """The constants of one model: tensors that share storage and layout are the same constant."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Constant] = {}
        self._kept: list[Any] = []

    def constant(self, tensor: Any, what: str) -> Constant:
        """The contents of `tensor`, read when somebody looks. UnsupportedModel for kinds that are no dense array."""
        key = _identity(tensor, what)
        if key not in self._made:
            self._kept.append(tensor)  # while it lives, no other tensor can have its address
            type = TensorType(dtype_from(tensor.dtype, what), tuple(tensor.shape))
            self._made[key] = Constant(type, lambda: array_of(tensor, what))
        return self._made[key]


def check_state_name(name: str, graph: Graph) -> None:
    """UnsupportedModel where an input of the graph is already called what state would be called."""
    if any(value.name == name for value in graph.inputs):
        raise UnsupportedModel(
            f"the state {name!r}, which a call changes, is called like an input",
            hint="rename one of them in the module",
        )


def array_of(tensor: Any, what: str) -> Array:
    """A numpy view of the tensor's memory (a copy only from another device)."""
    wanted = dtype_from(tensor.dtype, what).numpy
    plain = tensor.detach().resolve_neg().cpu()
    if wanted.kind != "V" and wanted.isbuiltin:
        return np.asarray(plain.numpy())
    bits = (
        plain.reshape(1).view(_BITS[wanted.itemsize]).reshape(())
        if plain.ndim == 0
        else plain.view(_BITS[wanted.itemsize])
    )
    return np.asarray(bits.numpy()).view(wanted)


def _identity(tensor: Any, what: str) -> tuple[Any, ...]:
    if tensor.layout != torch.strided or tensor.is_quantized or type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        kind = type(tensor).__name__ if tensor.layout == torch.strided else f"{tensor.layout} tensor"
        raise UnsupportedModel(
            f"{what} is a {kind}, not a dense array", hint="convert it with .to_dense() or .dequantize() first"
        )
    return tensor.device, tensor.dtype, tensor.data_ptr() or id(tensor), tuple(tensor.shape), tensor.stride()
