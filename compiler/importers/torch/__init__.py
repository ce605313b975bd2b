"""Reads PyTorch models: modules, exported programs, .pt2 and TorchScript archives, through one table of ATen ops."""

from __future__ import annotations

from typing import Any

from isthmus.ir.errors import ImportFailed
from isthmus.ir.graph import Graph
from isthmus.ir.types import Array

__all__ = ["import_torch", "initial_state"]


def import_torch(source: Any, *, inputs: Any = None) -> Graph:
    """The model as a graph; weights are views of torch's memory.

    `source` is a torch.nn.Module, ScriptModule or ExportedProgram, or the path of a .pt2 or TorchScript archive. For a
    module `inputs` says what it is called with, by parameter name or in order: example tensors, shapes
    `("N:1..32", 3, 224, 224)`, typed shapes `"i64[N:1..8, 128]"`, a tensor and its shape as a pair, or lists and dicts
    of these. For an exported program they are shapes that name, or narrow, what it leaves open. Raises ImportFailed in
    one of its kinds, or BadInput for inputs that do not fit.
    """
    _require_torch()
    from isthmus.compiler.importers.torch import reading

    return reading.read(source, inputs)


def initial_state(source: Any, *, inputs: Any = None) -> dict[str, Array]:
    """What the buffers that a model changes hold at first: the values to give the inputs of these names."""
    _require_torch()
    from isthmus.compiler.importers.torch import reading

    return reading.state_of(source, inputs)


def _require_torch() -> None:
    try:
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        raise ImportFailed(
            f"torch cannot be imported, and reading its models needs it: {error}",
            hint="pip install 'isthmus[torch]'; or read an .onnx file, which needs no torch",
        ) from error
