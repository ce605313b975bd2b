"""Which layers a message of the engine is about. Layers are named after source locations: there it points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

_MOST = 4


def named_layers(definition: Any) -> list[str]:
    """The names of the layers of a network."""
    return [definition.get_layer(i).name for i in range(definition.num_layers)]


def layers_in(text: str, layers: Iterable[str]) -> list[str]:
    """The layers that `text` names, in the order it does, at most a few.

    A name that is part of a longer one counts only where it stands alone.
    """
    found: dict[int, str] = {}
    for name in sorted((each for each in set(layers) if each), key=len, reverse=True):
        start = text.find(name)
        while start >= 0:
            found[start] = name
            text = text[:start] + "\0" * len(name) + text[start + len(name) :]
            start = text.find(name, start + len(name))
    return list(dict.fromkeys(found[start] for start in sorted(found)))[:_MOST]


def last_named(log: str, locations: Sequence[str]) -> str:
    """The source location that the end of a log names last; "" where it names none."""
    for line in reversed(log.splitlines()):
        if found := layers_in(line, locations):
            return found[-1]
    return ""
