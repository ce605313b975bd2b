"""What TensorRT can be told beyond the target: memory, effort, TF32, and the sizes an engine is built for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from isthmus.backends.options import EngineOptions
from isthmus.ir.errors import BadArgument

Range: TypeAlias = tuple[int, int, int]
"""The least size, the one to optimize for, and the largest."""
Profile: TypeAlias = Mapping[str, Range]
"""Ranges by symbol. A symbol that is left out keeps the bounds its inputs declare."""
Values: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""The least elements of an input, the ones to optimize for, and the largest, each in row-major order."""

_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_LARGEST = (1 << 63) - 1
"""The library counts bytes, sizes and elements in 64 bits."""
MAX_LEVEL = 5
DEFAULT_LEVEL = 3


@dataclass(frozen=True)
class TensorRTOptions(EngineOptions):
    """Options of `tensorrt` targets. BadArgument for what cannot be."""

    workspace: int | None = None
    """Largest scratch memory of any layer on the device, in bytes; None is all the device has."""
    optimization_level: int = DEFAULT_LEVEL
    """0 (fast to build) to 5 (fast to run). TensorRT-RTX, which chooses kernels when it runs, may build the same."""
    tf32: bool = False
    """Whether f32 matrix work may round its operands to TF32's 10 bits of mantissa; an fp32 target does not unasked."""
    profiles: tuple[Profile, ...] = ()
    """Ranges of sizes to optimize for, each on its own; a call takes the tightest that holds its shapes.

    Without any there is one, from the bounds of the inputs' symbols.
    """
    values: Mapping[str, Values] = field(default_factory=dict)
    """Ranges of elements, for integer inputs that decide the shape of something: there is no engine without them."""

    readers: ClassVar[Mapping[str, Callable[[str], Any]]] = {}

    def __post_init__(self) -> None:
        if self.workspace is not None and (not _is_int(self.workspace) or not 1 <= self.workspace <= _LARGEST):
            raise BadArgument(f"option workspace is {self.workspace!r}", hint="give a number of bytes")
        if not _is_int(self.optimization_level) or not 0 <= self.optimization_level <= MAX_LEVEL:
            hint = f"give a number from 0 to {MAX_LEVEL}"
            raise BadArgument(f"option optimization_level is {self.optimization_level!r}", hint=hint)
        if not isinstance(self.tf32, bool):
            raise BadArgument(f"option tf32 is {self.tf32!r}", hint="give True or False")
        object.__setattr__(self, "profiles", _profiles(self.profiles))
        object.__setattr__(self, "values", _values(self.values))

    def __hash__(self) -> int:
        return hash(json.dumps(self.as_dict(), sort_keys=True))


def _profiles(given: Any) -> tuple[Profile, ...]:
    if isinstance(given, Mapping) or not isinstance(given, Sequence) or isinstance(given, str):
        raise BadArgument(f"option profiles is {given!r}", hint='give a list of them: [{"N": (1, 8, 32)}]')
    return tuple(_profile(each) for each in given)


def _profile(given: Any) -> Profile:
    if not isinstance(given, Mapping):
        raise BadArgument(f"profile {given!r} names no symbol", hint='write it as {"N": (1, 8, 32)}')
    return {str(name): _range(str(name), sizes) for name, sizes in given.items()}


def _range(name: str, given: Any) -> Range:
    sizes = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else ()
    if len(sizes) != 3 or not all(map(_is_int, sizes)) or not 0 <= sizes[0] <= sizes[1] <= sizes[2] <= _LARGEST:
        raise BadArgument(
            f"a profile gives {name} as {given!r}", hint="give (least, optimal, largest), such as (1, 8, 32)"
        )
    return sizes[0], sizes[1], sizes[2]


def _values(given: Any) -> Mapping[str, Values]:
    if not isinstance(given, Mapping):
        raise BadArgument(f"option values is {given!r}", hint='give it by input: {"shape": ((1, 3), (4, 3), (8, 3))}')
    return {str(name): _elements(str(name), each) for name, each in given.items()}


def _elements(name: str, given: Any) -> Values:
    sides = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    rows = [tuple(side) if isinstance(side, Sequence) and not isinstance(side, str) else (side,) for side in sides]
    lengths = {len(row) for row in rows}
    whole = all(_is_int(x) and abs(x) <= _LARGEST for row in rows for x in row)
    if len(rows) != 3 or len(lengths) != 1 or not whole or any(not a <= b <= c for a, b, c in zip(*rows, strict=True)):
        hint = "give (least, optimal, largest) elements, such as ((1, 3), (4, 3), (8, 3))"
        raise BadArgument(f"option values gives {name} as {given!r}", hint=hint)
    return rows[0], rows[1], rows[2]


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _read_bytes(text: str) -> int:
    if (found := re.fullmatch(r"(\d+)(KiB|MiB|GiB|)", text)) is None:
        raise ValueError("a number of bytes, such as 2GiB")
    return int(found[1]) * _UNITS[found[2]]


def _read_level(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"a number from 0 to {MAX_LEVEL}")
    return int(text)


def _read_flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def _read_profile(text: str) -> tuple[Profile, ...]:
    """`N:1..8..32,S:16..64..128` is one profile."""
    found = [re.fullmatch(r"([^:,]+):(\d+)\.\.(\d+)\.\.(\d+)", part) for part in text.split(",")]
    profile = {match[1]: (int(match[2]), int(match[3]), int(match[4])) for match in found if match is not None}
    if len(profile) < len(found):
        raise ValueError(
            "symbols with the least, optimal and largest size, each once, such as N:1..8..32,S:16..64..128"
        )
    return (profile,)


def _read_values(text: str) -> dict[str, Values]:
    """`s:1x3..4x3..8x3,k:1..5..9`."""
    number = r"-?\d+(?:x-?\d+)*"
    found = [re.fullmatch(rf"([^:,]+):({number})\.\.({number})\.\.({number})", part) for part in text.split(",")]
    values = {match[1]: (_row(match[2]), _row(match[3]), _row(match[4])) for match in found if match is not None}
    if len(values) < len(found):
        raise ValueError("inputs with their least, optimal and largest elements, each once, such as s:1x3..4x3..8x3")
    return values


def _row(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x")))


TensorRTOptions.readers = {
    "workspace": _read_bytes,
    "optimization_level": _read_level,
    "tf32": _read_flag,
    "profiles": _read_profile,
    "values": _read_values,
}
