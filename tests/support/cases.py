"""Runs `.cases` files: IR text in, IR text out, compared by structure and by numbers.

    --- name: transpose of transpose composes
    pipeline: canonicalize
    before:
    graph @g(...) { ... }
    after:
    graph @g(...) { ... }

A refusing twin has `rule: NAME` and `unchanged because: REASON` in place of `after:`; REASON must be part of what
that rule's `explain` says at some node. `numbers: finite` leaves hostile inputs (NaN, infinities ...) out, for laws
that say so.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from isthmus.ir.compare import difference
from isthmus.ir.graph import Graph
from isthmus.ir.parser import parse
from isthmus.passes.manager import PassManager
from isthmus.passes.numerics import samples, worst_output
from isthmus.passes.rule import Rule
from isthmus.passes.rules import shipped
from isthmus.passes.spec import parse_pipeline

_FIELD = re.compile(r"^(name|pipeline|rule|numbers|unchanged because|before|after):[ ]?(.*)$")


@dataclass(frozen=True)
class Case:
    """One block of a `.cases` file."""

    file: str
    line: int
    name: str
    pipeline: str
    before: str
    after: str | None = None
    rule: str | None = None
    reason: str | None = None
    finite: bool = False

    def __str__(self) -> str:
        return f"{self.file}: {self.name}" + (" (refuses)" if self.reason else "")


@cache
def read_cases(path: Path) -> tuple[Case, ...]:
    """The cases of a file, in order."""
    found, blocks = [], re.split(r"^--- ", path.read_text(), flags=re.MULTILINE)
    line = 1 + blocks[0].count("\n")
    for block in blocks[1:]:
        fields = _fields(block)
        known = {"rule": fields.get("rule"), "reason": fields.get("unchanged because"), "after": fields.get("after")}
        finite = fields.get("numbers") == "finite"
        found.append(
            Case(path.stem, line, fields["name"], fields["pipeline"], fields["before"], finite=finite, **known)
        )
        line += block.count("\n")
    return tuple(found)


def _fields(block: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    current = ""
    for line in block.splitlines():
        if match := _FIELD.match(line):
            current, fields[match[1]] = match[1], match[2]
        else:
            fields[current] += f"\n{line}"
    return {name: text.strip() for name, text in fields.items()}


def run_case(case: Case) -> Counter[str]:
    """Run one case; AssertionError where it does not hold. Returns which rules fired how often."""
    where = f"{case.file}.cases:{case.line}"
    before = parse(case.before, filename=where)
    graph = before.copy()
    records = PassManager(parse_pipeline(case.pipeline), check="full").run(graph)
    expected = before if case.after is None else parse(case.after, filename=where)
    found = difference(graph, expected)
    assert found is None, f"{where}: {found}\n\ngot:\n{graph}\nexpected:\n{expected}"
    if case.reason is not None:
        said = _explanations(_rule(case.rule), graph)
        assert any(case.reason in each for each in said), f"{where}: no refusal says {case.reason!r}, but: {said}"
    _compare_numbers(before, graph, case, where)
    return sum((record.fired for record in records), Counter())


def _compare_numbers(before: Graph, after: Graph, case: Case, where: str) -> None:
    ran = 0
    for inputs in samples(before, hostile=not case.finite):
        moved = worst_output(before, after, inputs)
        assert moved is None, f"{where}: output {moved[0]} moved by {moved[1]:.3g} on {inputs}"
        ran += 1
    assert ran, f"{where}: the graph runs on no inputs"


def _rule(name: str | None) -> Rule:
    return next(rule for rule in shipped() if rule.name == name)


def _explanations(rule: Rule, graph: Graph) -> list[str]:
    said = (rule.explain(node) for node in graph.walk() if node.op.name in rule.roots)
    return [each for each in said if each is not None]
