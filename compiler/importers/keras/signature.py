"""What a Keras model is called with and what it yields, by the names it has for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from isthmus.ir.errors import BadInput

_BATCH = "N"


def declared(model: Any) -> dict[str, Any]:
    """The symbolic tensor of each input by name, in the order of the call; none for a model that does not say."""
    tensors = list(getattr(model, "inputs", None) or ())
    return dict(zip(unique([tensor.name for tensor in tensors]), tensors, strict=True))


def output_names(model: Any) -> list[str]:
    """What the outputs are called, in the order in which Keras flattens them; none for a model that does not say."""
    return unique(list(getattr(model, "output_names", None) or ()))


def asked(ports: Mapping[str, Any], inputs: Any) -> dict[str, Any]:
    """For each input its shape, or the example that is given for it.

    Sizes left open are symbols: the batch is `N`, axis 2 of `x` is `x_2`. BadInput where `inputs` do not fit.
    """
    if inputs is not None and not isinstance(inputs, Mapping):
        if len(inputs) != len(ports):
            raise BadInput(f"the model has {len(ports)} inputs, not {len(inputs)}")
        inputs = dict(zip(ports, inputs, strict=True))
    given = inputs or {}
    for name in given:
        if name not in ports:
            near = get_close_matches(name, ports, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"inputs are: {', '.join(ports)}"
            raise BadInput(f"the model has no input {name!r}", hint=hint)
    return {name: _one(name, tuple(tensor.shape), given.get(name)) for name, tensor in ports.items()}


def _one(name: str, shape: tuple[int | None, ...], given: Any) -> Any:
    if given is not None and not isinstance(given, tuple | list):
        return given
    wanted = [None] * len(shape) if given is None else list(given)
    if len(wanted) != len(shape):
        raise BadInput(f"input {name!r} has rank {len(shape)} in the model, not {len(wanted)}")
    for i, (have, want) in enumerate(zip(shape, wanted, strict=True)):
        if isinstance(have, int) and isinstance(want, int) and have != want:
            raise BadInput(f"dimension {i} of input {name!r} is {have} in the model, not {want}")
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    free = (_BATCH, *(f"{plain}_{i}" for i in range(1, len(shape))))
    return tuple(
        have if have is not None else want if want is not None else symbol
        for have, want, symbol in zip(shape, wanted, free, strict=False)
    )


def unique(names: Sequence[str]) -> list[str]:
    """The names, numbered where one occurs again."""
    found: list[str] = []
    for name in names:
        numbered, i = name, 0
        while numbered in found:
            i += 1
            numbered = f"{name}_{i}"
        found.append(numbered)
    return found
