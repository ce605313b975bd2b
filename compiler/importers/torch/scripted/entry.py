"""What the importer calls for a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from isthmus.compiler.importers.torch.examples import examples_for
from isthmus.compiler.importers.torch.scripted.direct import Lowered, lower
from isthmus.compiler.importers.torch.scripted.graphs import signature_of
from isthmus.ir.errors import BadInput, ImportFailed, IsthmusError

T = TypeVar("T")


def is_script(model: Any) -> bool:
    """Whether `model` is a scripted or traced module, or a scripted function."""
    return isinstance(model, torch.jit.ScriptModule | torch.jit.ScriptFunction)


def plain_script(script: Any) -> Any:
    """The script in the form that shows its graphs: a module traced in this process hides them."""
    return script if isinstance(script, torch.jit.ScriptFunction) else torch.jit._recursive.wrap_cpp_module(script._c)


def lower_script(script: Any, inputs: Any, name: str) -> Lowered:
    """The script as a graph. BadInput where `inputs` do not fit, UnsupportedModel where it cannot be lowered."""
    if inputs is None:
        raise BadInput(
            "a script does not say the shapes it is called with",
            hint='give example tensors or shapes: inputs={"x": ("N:1..32", 3, 224, 224)}',
        )
    signature = signature_of(script)

    def forward() -> None:
        """Stands for the script's forward, where only its signature matters."""

    forward.__signature__ = signature  # type: ignore[attr-defined]  # what inspect.signature looks for
    return lower(script, examples_for(forward, inputs), signature, name)


def first_of(lowered: Callable[[], T], interpreted: Callable[[], T]) -> T:
    """What lowering gives, else what interpretation gives; where both refuse, lowering's reasons."""
    try:
        return lowered()
    except ImportFailed as refused:
        try:
            return interpreted()
        except IsthmusError:
            raise refused from None
