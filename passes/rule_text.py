"""Rules written as text, in the syntax of the IR:

rule "transpose of transpose composes" exact shared {
  match {
    %y = transpose(%x) {perm = p}
    %z = transpose(%y) {perm = q}
    return %z
  }
  replace {
    %z = transpose(%x) {perm = compose(p, q)}
    return %z
  }
}

They become the same `Rule` values that Python rules are. Loading them runs no code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from isthmus.ir.errors import TextError
from isthmus.ir.graph import Node
from isthmus.ir.source import Source
from isthmus.passes.pattern import AnyOf
from isthmus.passes.rule import Condition, Exactness, Rule, roots_of
from isthmus.passes.rule_expressions import FAILURES, Env, Expressions, told
from isthmus.passes.rule_match import MatchReader, MatchText, askable
from isthmus.passes.rule_replace import ReplaceReader
from isthmus.passes.rule_syntax import RuleTree, read_rules


def load_rules(path: str | os.PathLike[str]) -> tuple[Rule, ...]:
    """The rules in a file. Raises TextError for a mistake, with its place, or a file that cannot be read."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"rules cannot be read: {error}", where=os.fspath(path)) from None
    return parse_rules(text, filename=os.fspath(path))


def parse_rules(text: str, *, filename: str = "<text>") -> tuple[Rule, ...]:
    """The rules that `text` spells. Raises TextError."""
    source = Source(text, filename)
    expressions = Expressions(source)
    found: dict[str, Rule] = {}
    for tree in read_rules(source):
        each = _rule(tree, expressions)
        if each.name in found:
            raise expressions.error(tree.name, f"two rules are called {each.name!r}")
        found[each.name] = each
    return tuple(found.values())


def _rule(tree: RuleTree, expressions: Expressions) -> Rule:
    matches = [MatchReader(expressions).read(each) for each in tree.matches]
    first = matches[0]
    for match, body in zip(matches, tree.matches, strict=True):
        if match.results != first.results:
            wanted = ", ".join(first.results)
            raise expressions.error(body.values[0], f"all matches of a rule return the same names: {wanted}")
    captured = {name for match in matches for name in match.captured}
    known = dict(set.intersection(*(set(match.captured.items()) for match in matches)))
    known.update(dict.fromkeys(first.results, "root"))
    asked = askable(known)
    conditions = [(expressions.condition(each.condition, asked), expressions.text(each.reason)) for each in tree.wheres]
    build = ReplaceReader(expressions, captured, known).read(tree.replace, len(first.results))
    name, shared = expressions.text(tree.name), tree.shared is not None
    return Rule(
        name,
        Exactness(str(tree.exactness)),
        roots_of(AnyOf([match.pattern for match in matches])),
        lambda b, root, captured: build(b, _env(first, root, captured)),
        _where(conditions, matches),
        shared,
        tuple(sorted(captured)),
    )


def _where(
    conditions: Sequence[tuple[Callable[[Env], str | None], str]], matches: Sequence[MatchText]
) -> Condition | None:
    several = any(match.pattern.op.several for match in matches)
    if not conditions and not several:
        return None

    def refusal(root: Node, captured: Mapping[str, Any]) -> str | None:
        if len(root.results) != len(matches[0].results):
            return f"{root.op.name} has {len(root.results)} results here, not {len(matches[0].results)}"
        env = _env(matches[0], root, captured)
        for holds, reason in conditions:
            try:
                failure = holds(env)
            except FAILURES as error:
                failure = told(error)
            if failure is not None:
                return f"{reason}: {failure}"
        return None

    return refusal


def _env(match: MatchText, root: Node, captured: Mapping[str, Any]) -> Env:
    return {**captured, **dict(zip(match.results, root.results, strict=True))}
