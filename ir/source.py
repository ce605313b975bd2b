"""IR text as a reader sees it: an error shows file, line, column, the line and a caret."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.ir.errors import TextError

_WINDOW = 100
_LONGEST = 500


@dataclass(frozen=True)
class Source:
    """A text and the name of the file it is from."""

    text: str
    filename: str

    def error(self, at: int, reason: str, hint: str = "") -> TextError:
        """The error for the character number `at`, counted from 0."""
        at = min(at, len(self.text.rstrip()))
        start = self.text.rfind("\n", 0, at) + 1
        end = self.text.find("\n", at)
        line = self.text[start : end if end >= 0 else len(self.text)]
        number, column = self.text.count("\n", 0, at) + 1, at - start
        first = max(column - _WINDOW // 2, 0) if len(line) > _WINDOW else 0
        shown = line[first : first + _WINDOW]
        blank = "".join(c if c == "\t" else " " for c in line[first:column])
        where = f"{self.filename}:{number}:{column + 1}\n    {shown}\n    {blank}^"
        return TextError(shortened(reason, _LONGEST), where=where, hint=hint)


def shortened(text: str, length: int) -> str:
    """`text`, its end replaced by dots where it is longer than `length`."""
    return text if len(text) <= length else f"{text[: length - 3]}..."
