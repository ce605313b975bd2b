"""Pipelines as text: `"canonicalize,fuse{only=[conv]},fold{limit=262144}"` <-> a tuple of passes, both ways."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import lark

from isthmus.ir.errors import PipelineError, TypeRuleError
from isthmus.ir.op import coerce
from isthmus.passes.base import Pass


def parse_pipeline(text: str, passes: Mapping[str, type[Pass]] | None = None) -> tuple[Pass, ...]:
    """The passes `text` names. PipelineError for bad syntax, unknown passes and unknown or ill-typed options.

    `passes` are those that may be named; by default ours and those of installed packages.
    """
    if passes is None:
        from isthmus.passes.table import known_passes

        passes = known_passes()
    try:
        steps = _Steps().transform(_grammar().parse(text))
    except lark.exceptions.UnexpectedInput as error:
        caret = f"{text}\n  {' ' * (4 + max(error.column - 1, 0))}^" if error.column > 0 else text
        raise PipelineError("pipeline text does not parse", where=f"'{caret}", hint="a,b{option=1},c") from error
    return tuple(_make(name, options, passes) for name, options in steps)


def print_pipeline(passes: Sequence[Pass]) -> str:
    """The text that parses to `passes`; shows only options that differ from their defaults.

    Options that text cannot spell (rules written in Python) are shown by name.
    """
    return ",".join(map(_print_pass, passes))


def _make(name: str, options: Sequence[tuple[str, Any]], passes: Mapping[str, type[Pass]]) -> Pass:
    if name not in passes:
        raise PipelineError(f"no pass is called {name!r}", hint=_suggest(name, passes))
    kind = passes[name]
    hints = get_type_hints(kind)
    fields = {f.name.replace("_", "-"): f.name for f in dataclasses.fields(kind)}
    given: dict[str, Any] = {}
    for option, value in options:
        field = fields.get(option.replace("_", "-"))
        if field is None:
            raise PipelineError(f"pass {name!r} has no option {option!r}", hint=_suggest(option, fields))
        if field in given:
            raise PipelineError(f"option {option!r} of pass {name!r} is given twice")
        try:
            given[field] = coerce(hints[field], value, f"{name}: option {option}")
        except TypeRuleError as error:
            raise PipelineError(error.reason) from error
    return kind(**given)


def _suggest(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"


def _print_pass(each: Pass) -> str:
    shown = [
        f"{f.name.replace('_', '-')}={_print_value(getattr(each, f.name))}"
        for f in dataclasses.fields(each)
        if getattr(each, f.name) != f.default
    ]
    return f"{each.name}{{{','.join(shown)}}}" if shown else each.name


def _print_value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{','.join(map(_print_value, value))}]"
    if isinstance(value, str):
        bare = re.fullmatch(r"[A-Za-z_./][\w./-]*", value) and value not in ("true", "false")
        return value if bare else json.dumps(value)
    return json.dumps(value, default=str)


@cache
def _grammar() -> lark.Lark:
    text = Path(__file__).with_name("pipeline.lark").read_text()
    return lark.Lark(text, start="pipeline", parser="lalr", maybe_placeholders=False)


class _Steps(lark.Transformer[lark.Token, list[tuple[str, list[tuple[str, Any]]]]]):
    """From the parse tree to (name, options) pairs."""

    pipeline = list

    def step(self, parts: list[Any]) -> tuple[str, list[tuple[str, Any]]]:
        name, *options = parts
        return str(name), options

    def option(self, parts: list[Any]) -> tuple[str, Any]:
        return str(parts[0]), parts[1]

    def items(self, parts: list[Any]) -> tuple[Any, ...]:
        return tuple(parts)

    def true(self, _: list[Any]) -> bool:
        return True

    def false(self, _: list[Any]) -> bool:
        return False

    def integer(self, parts: list[Any]) -> int:
        return int(parts[0])

    def number(self, parts: list[Any]) -> float:
        return float(parts[0])

    def string(self, parts: list[Any]) -> str:
        return str(json.loads(parts[0]))

    def word(self, parts: list[Any]) -> str:
        return str(parts[0])
