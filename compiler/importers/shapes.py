"""Input shapes as users and source formats give them, as dimensions over named symbols."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from operator import index
from typing import Any, TypeAlias

from isthmus.ir.dim import Dim, Shape, symbol
from isthmus.ir.errors import BadInput

DimSpec: TypeAlias = int | str | None
"""A size, `"N"`, `"N:1..32"`, `"N:1.."`, or None for any size."""
InputShapes: TypeAlias = Mapping[str, Sequence[DimSpec]]
"""For inputs by name, their shapes: `{"x": ("N:1..32", 3, 224, 224)}`."""
ModelInputs: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""Shapes by name; what a torch module is called with may also be example tensors, and in order instead of by name."""

_SPEC = re.compile(r"([A-Za-z_]\w*)(?::(\d+)\.\.(\d*))?", re.ASCII)


class Symbols:
    """Gives every name a source uses for a size one symbol with a valid, unique name."""

    def __init__(self) -> None:
        self._by_source: dict[str, Dim] = {}
        self._taken: set[str] = set()

    def reserve(self, name: str) -> None:
        """Keep `name` for a symbol the user chose."""
        self._taken.add(name)

    def assign(self, source: str, dim: Dim) -> None:
        """Let the source's name mean `dim` from now on."""
        self._by_source.setdefault(source, dim)

    def named(self, source: str) -> Dim:
        """The symbol for a name used by the source: the same one each time."""
        if source not in self._by_source:
            self._by_source[source] = self.fresh(source)
        return self._by_source[source]

    def fresh(self, hint: str) -> Dim:
        """A new symbol with a name like `hint`."""
        base = re.sub(r"\W+", "_", hint, flags=re.ASCII).strip("_") or "dim"
        base = base if not base[0].isdigit() else f"d{base}"
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return symbol(name)


def parse_shapes(asked: InputShapes) -> dict[str, tuple[Dim | None, ...]]:
    """The dimensions a user asks for, by input; None where any size will do. Raises BadInput.

    A name is one symbol throughout; a range given for it once holds everywhere.
    """
    ranges: dict[str, Dim] = {}
    for name, spec in asked.items():
        if isinstance(spec, str) or not isinstance(spec, Sequence):
            raise BadInput(f"input {name!r}: {spec!r} is no shape", hint='write a tuple: ("N:1..32", 3, 224, 224)')
        for each in spec:
            if isinstance(each, str):
                _note_range(name, each, ranges)
    return {name: tuple(_parse_dim(name, each, ranges) for each in spec) for name, spec in asked.items()}


def merge_shape(name: str, asked: tuple[Dim | None, ...], declared: Shape | None, symbols: Symbols) -> Shape:
    """What the user asks for within what the model declares (None: rank unknown). BadInput where they contradict."""
    if declared is None:
        return tuple(symbols.fresh(f"{name}_{i}") if d is None else d for i, d in enumerate(asked))
    if len(asked) != len(declared):
        raise BadInput(f"input {name!r} has rank {len(declared)} in the model, not {len(asked)}")
    for i, (want, have) in enumerate(zip(asked, declared, strict=True)):
        if want is not None and isinstance(have, int) and want != have:
            raise BadInput(f"dimension {i} of input {name!r} is {have} in the model, not {want}")
    return tuple(have if want is None else want for want, have in zip(asked, declared, strict=True))


def _note_range(name: str, spec: str, ranges: dict[str, Dim]) -> None:
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise BadInput(f"input {name!r}: {spec!r} is no dimension", hint='write 8, "N", "N:1..32" or "N:1.."')
    label, low, high = match.groups()
    if low is None:
        return
    bounded = symbol(label, int(low), int(high) if high else None)
    if ranges.setdefault(label, bounded) != bounded:
        raise BadInput(f"input {name!r}: {label} is given two different ranges")


def _parse_dim(name: str, spec: DimSpec, ranges: dict[str, Dim]) -> Dim | None:
    if isinstance(spec, str):
        label = spec.partition(":")[0]
        return ranges.get(label, symbol(label))
    if spec is None:
        return None
    if isinstance(spec, bool) or not hasattr(spec, "__index__"):
        raise BadInput(f"input {name!r}: {spec!r} is no dimension", hint='write 8, "N", "N:1..32" or "N:1.."')
    if (size := index(spec)) < 0:
        raise BadInput(f"input {name!r}: size {size} is negative")
    return size
