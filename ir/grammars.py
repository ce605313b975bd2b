"""Reading text with a lark grammar: errors at their place, in words, and limits against hostile texts."""

from __future__ import annotations

import re
from typing import Any

from lark import Lark, UnexpectedInput, UnexpectedToken

from isthmus.ir.source import Source, shortened

MAX_NESTING = 64
"""How deep brackets may nest: hostile texts nest until the stack ends."""


def read(grammar: Lark, source: Source, start: str, text: str, offset: int) -> Any:
    """The tree of `text`, which stands in `source` at `offset`. Raises TextError."""
    try:
        return grammar.parse(text, start=start)
    except UnexpectedInput as error:
        position, found = error.pos_in_stream or 0, ""
        if isinstance(error, UnexpectedToken):
            at_end = error.token.type == "$END"
            position = len(text) if at_end else position
            found = "end of text" if at_end else repr(shortened(str(error.token), 40))
        reason = f"unexpected {found or repr(text[position])}"
        raise source.error(offset + position, reason, _wanted(grammar, error)) from None


def check_nesting(source: Source) -> None:
    """TextError where brackets nest too deep."""
    depth = 0
    for match in _BRACKETS.finditer(source.text):
        bracket = match[0]
        if bracket in "([{":
            depth += 1
            if depth > MAX_NESTING:
                raise source.error(match.start(), f"brackets nest deeper than {MAX_NESTING}")
        elif bracket in ")]}":
            depth -= 1


_BRACKETS = re.compile(
    r"""[(\[{)\]}] | [%@][A-Za-z0-9_./$-]+ | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | //[^\n]*""", re.VERBOSE
)

_TERMINALS = {
    "VALUE": "%name",
    "AT": "@name",
    "TYPE": "a type such as f32[N, 3]",
    "DATA": "numbers",
    "HASH": "#hash",
    "NAME": "a name",
    "STRING": '"text"',
    "SYMBOL": "'symbol'",
    "FLOAT": "a number",
    "INT": "a number",
    "SIGN": "+ or -",
    "COMPARE": "a comparison",
    "TIMES": "* or /",
    "$END": "the end",
}
"""What readers call the terminals of our grammars; others are called by what they match."""


def _wanted(grammar: Lark, error: UnexpectedInput) -> str:
    state: Any = getattr(error, "interactive_parser", None)
    names = [name for name in state.choices() if name.isupper()] if state is not None else []
    spelled = {_TERMINALS.get(name) or _literal(grammar, name) for name in names}
    return f"expected {', '.join(sorted(spelled))}" if spelled else ""


def _literal(grammar: Lark, terminal: str) -> str:
    return repr(next((t.pattern.value for t in grammar.terminals if t.name == terminal), terminal))
