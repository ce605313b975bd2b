"""The table of layer meanings.

A meaning is a function of a layer's parameters and its input arrays (None for inputs left out). It returns the layer's
output, or a tuple of its outputs, each in the element type that strong typing gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

from tests.support.tensorrt.element_types import Array

Meaning: TypeAlias = Callable[..., Array | tuple[Array, ...]]


@dataclass(frozen=True)
class Marked:
    """A meaning and the layer classes it is for."""

    kinds: tuple[str, ...]
    meaning: Meaning

    def __call__(self, layer: Any, *inputs: Array | None) -> Array | tuple[Array, ...]:
        return self.meaning(layer, *inputs)


def means(*kinds: str) -> Callable[[Meaning], Marked]:
    """Mark a function as the meaning of the TensorRT layer classes named."""
    return lambda meaning: Marked(kinds, meaning)


def collect(modules: Iterable[ModuleType]) -> Mapping[str, Meaning]:
    """The table of all meanings in the modules; ValueError where two are for one kind."""
    table: dict[str, Meaning] = {}
    for marked in (value for module in modules for value in vars(module).values() if isinstance(value, Marked)):
        for kind in marked.kinds:
            if table.setdefault(kind, marked.meaning) is not marked.meaning:
                raise ValueError(f"two meanings for {kind}")
    return table


def axes_of(mask: int) -> tuple[int, ...]:
    """The axes in a bitmask: bit i stands for dimension i."""
    return tuple(i for i in range(mask.bit_length()) if mask >> i & 1)
