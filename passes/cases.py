"""Runs `.cases` files: IR text in, IR text out, compared by structure and by numbers.

    --- name: transpose of transpose composes
    pipeline: canonicalize
    before:
    graph @g(...) { ... }
    after:
    graph @g(...) { ... }

A refusing twin has `rule: NAME` and `unchanged because: REASON` in place of `after:`; REASON must be part of what
that rule's `explain` says at some node. `numbers: finite` leaves hostile inputs (NaN, infinities ...) out, for laws
that say so. `rules: FILE` runs the rules of a file beside the cases, before the pipeline if there is one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from isthmus.ir.compare import difference
from isthmus.ir.errors import TextError
from isthmus.ir.graph import Graph
from isthmus.ir.parser import parse
from isthmus.passes.base import Pass
from isthmus.passes.explain import explain, find_rule
from isthmus.passes.manager import PassManager
from isthmus.passes.numerics import samples, worst_output
from isthmus.passes.rewrite_pass import Rewrite
from isthmus.passes.rule_text import load_rules
from isthmus.passes.spec import parse_pipeline
from isthmus.passes.table import known_passes

_NAMES = ("name", "rules", "pipeline", "rule", "numbers", "unchanged because", "before", "after")
_FIELD = re.compile(rf"^({'|'.join(_NAMES)}):[ ]?(.*)$")


@dataclass(frozen=True)
class Case:
    """One block of a `.cases` file."""

    path: Path
    line: int
    name: str
    before: str
    after: str | None = None
    pipeline: str = ""
    rules: str | None = None
    rule: str | None = None
    reason: str | None = None
    finite: bool = False

    def __str__(self) -> str:
        return f"{self.path.stem}: {self.name}" + (" (refuses)" if self.reason else "")

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.path}:{self.line}"


@cache
def read_cases(path: Path | str) -> tuple[Case, ...]:
    """The cases of a file, in order. TextError for a block that is no case."""
    path = Path(path)
    blocks = re.split(r"^--- ", path.read_text("utf-8"), flags=re.MULTILINE)
    found, line = [], 1 + blocks[0].count("\n")
    for block in blocks[1:]:
        found.append(_case(path, line, block))
        line += block.count("\n")
    return tuple(found)


def run_case(case: Case, passes: Sequence[type[Pass]] = ()) -> Counter[str]:
    """Run one case; AssertionError where it does not hold. Returns which rules fired how often.

    `passes` are pass classes that its pipeline may name besides ours and the installed ones.
    """
    before = parse(case.before, filename=case.place)
    graph, chosen = before.copy(), _passes(case, {**known_passes(), **{each.name: each for each in passes}})
    records = PassManager(chosen, check="full").run(graph)
    expected = before if case.after is None else parse(case.after, filename=case.place)
    if found := difference(graph, expected):
        raise AssertionError(f"{case.place}: {found}\n\ngot:\n{graph}\nexpected:\n{expected}")
    if case.reason is not None:
        _check_refusal(case, case.reason, graph, chosen)
    _compare_numbers(before, graph, case)
    return sum((record.fired for record in records), Counter())


def _case(path: Path, line: int, block: str) -> Case:
    fields: dict[str, str] = {}
    current = ""
    for i, text in enumerate(block.splitlines()):
        if match := _FIELD.match(text):
            current, fields[match[1]] = match[1], match[2]
        elif current:
            fields[current] += f"\n{text}"
        else:
            raise TextError("a case starts with its name", where=f"{path}:{line + i}", hint="--- name: ...")
    fields = {name: text.strip() for name, text in fields.items()}
    twin = {"rule", "unchanged because"} & set(fields)
    wanted = {"name", "before"} | ({"rule", "unchanged because"} if twin else {"after"})
    if missing := [name for name in _NAMES if name in wanted - set(fields)]:
        raise TextError(f"the case has no {missing[0]!r}", where=f"{path}:{line}")
    if (twin and "after" in fields) or not {"rules", "pipeline"} & set(fields):
        hint = "`rules` or `pipeline` say what runs; `after` or `rule` with `unchanged because` what comes of it"
        raise TextError("the case says too much or too little", where=f"{path}:{line}", hint=hint)
    return Case(
        path,
        line,
        fields["name"],
        fields["before"],
        fields.get("after"),
        fields.get("pipeline", ""),
        fields.get("rules"),
        fields.get("rule"),
        fields.get("unchanged because"),
        fields.get("numbers") == "finite",
    )


def _passes(case: Case, known: Mapping[str, type[Pass]]) -> tuple[Pass, ...]:
    chosen = parse_pipeline(case.pipeline, known)
    return chosen if case.rules is None else (Rewrite(load_rules(case.path.with_name(case.rules))), *chosen)


def _check_refusal(case: Case, reason: str, graph: Graph, passes: Sequence[Pass]) -> None:
    said = [each.reason for each in explain(find_rule(case.rule or "", passes), graph) if each.reason is not None]
    if not any(reason in each for each in said):
        raise AssertionError(f"{case.place}: no refusal says {reason!r}, but: {said}")


def _compare_numbers(before: Graph, after: Graph, case: Case) -> None:
    ran = 0
    for inputs in samples(before, hostile=not case.finite):
        if moved := worst_output(before, after, inputs):
            raise AssertionError(f"{case.place}: output {moved[0]} moved by {moved[1]:.3g} on {inputs}")
        ran += 1
    if not ran:
        raise AssertionError(f"{case.place}: the graph runs on no inputs")
