"""How names are spelled in IR text, in both directions."""

from __future__ import annotations

import json
import re
from functools import lru_cache

_MARKED = re.compile(r"[A-Za-z0-9_./$-]+")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

WORDS: dict[str, bool | float | None] = {
    "true": True,
    "false": False,
    "none": None,
    "inf": float("inf"),
    "nan": float("nan"),
}
"""Bare words that are values of their own, and so name a symbol only in quotes."""


def quote(text: str) -> str:
    """`text` in double quotes: on one line, and as it is where it is printable."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def unquote(text: str) -> str:
    """What a text in double or single quotes says; ValueError for broken escapes."""
    return str(json.loads(f'"{text[1:-1]}"'))


def marked(mark: str, name: str) -> str:
    """A name after its mark, % or @; quoted where it must be."""
    return mark + (name if _MARKED.fullmatch(name) else quote(name))


def unmarked(text: str) -> str:
    """The name in a text that `marked` made."""
    return unquote(text[1:]) if text[1] == '"' else text[1:]


def plain(name: str) -> str:
    """A name without a mark, in double quotes unless it is an identifier."""
    return name if _IDENTIFIER.fullmatch(name) else quote(name)


@lru_cache
def symbol_name(name: str) -> str:
    """A symbol's name as it stands in dimensions, in single quotes unless it is an identifier and not a word."""
    if _IDENTIFIER.fullmatch(name) and name not in WORDS:
        return name
    return "'" + quote(name)[1:-1].replace("'", "\\u0027") + "'"
