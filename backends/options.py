"""Options of one engine: a frozen dataclass a backend, which also reads itself from a shell's text and from JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar, Self

from isthmus.ir.errors import BadArgument


@dataclass(frozen=True)
class EngineOptions:
    """Base of every backend's options: fields with defaults that are JSON, checked in `__post_init__`."""

    readers: ClassVar[Mapping[str, Callable[[str], Any]]] = {}
    """Field -> what reads it from text. A text that is no value raises ValueError with what is expected.

    Fields that hold a tuple may be given several times, each time with some of its elements.
    """

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From a mapping, as `as_dict` returns it or a user writes it. BadArgument for what is no option."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise BadArgument(f"there is no option {name!r}", hint=_near(str(name), known))
        return cls(**given)

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """From texts `name=value`. BadArgument for anything else."""
        given: dict[str, Any] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals:
                raise BadArgument(f"option {text!r} has no value", hint=f"write it as {name}=VALUE")
            if name not in cls.readers:
                raise BadArgument(f"there is no option {name!r}", hint=_near(name, list(cls.readers)))
            try:
                read = cls.readers[name](value)
            except ValueError as error:
                raise BadArgument(f"option {name} is {value!r}", hint=f"expected {error}") from None
            if name in given and not isinstance(read, tuple):
                raise BadArgument(f"option {name} is given twice")
            given[name] = (*given.get(name, ()), *read) if isinstance(read, tuple) else read
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """The options that differ from their defaults, in plain dicts, lists, strings and numbers."""
        default = type(self)()
        return {name: value for name, value in asdict(self).items() if value != getattr(default, name)}


def _near(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{guess}options are: {', '.join(known)}"
