"""Rules: laws that turn one piece of a graph into another. A rule is a value and holds no state.

rule("transpose of transpose composes", exact,
     match   = lambda b, x, p, q: b.transpose(b.transpose(x, perm=p), perm=q),
     replace = lambda b, x, p, q: b.transpose(x, perm=tuple(p[i] for i in q)))
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from isthmus.ir.builder import Builder
from isthmus.ir.errors import IsthmusError, PassError, RuleError
from isthmus.ir.graph import Graph, Node, Value
from isthmus.passes.matching import Matching
from isthmus.passes.pattern import AnyOf, OpPattern, Pattern, Var
from isthmus.passes.pattern_builder import PatternBuilder, as_pattern


class Exactness(Enum):
    """What a rule may do to numbers."""

    EXACT = "exact"
    """The same real-number function: results differ by rounding at most, where constants are worked out beforehand or
    an op of the table stands for what defines it.
    """
    APPROXIMATE = "approximate"
    """Another function, close enough for some purposes. Default pipelines use none of these."""


exact, approximate = Exactness.EXACT, Exactness.APPROXIMATE


@dataclass(frozen=True)
class Match:
    """Where a rule applies: the root, every node the pattern covers (root first), and what was captured."""

    root: Node
    nodes: tuple[Node, ...]
    captured: Mapping[str, Any]


Replacing: TypeAlias = Callable[[Builder, Node, Mapping[str, Any]], Value | Sequence[Value]]
"""Builds what replaces a root, from what was captured."""
Condition: TypeAlias = Callable[[Node, Mapping[str, Any]], bool | str | None]
"""None or True to accept a root with what was captured, or the reason to refuse."""


@dataclass(frozen=True, eq=False)
class Rule:
    """A law by name. Make one with `rule(...)`, or write it as text (`rule_text`)."""

    name: str
    exactness: Exactness
    roots: Mapping[str, tuple[OpPattern, ...]]
    """Op of the root -> the alternatives with that root."""
    replace: Replacing
    where: Condition | None
    shared: bool
    variables: tuple[str, ...]

    def match(self, root: Node, makers: frozenset[str] | None = None) -> Match | None:
        """The match with this root, if there is one. `makers` saves asking which ops make its operands."""
        makers = makers_of(root) if makers is None else makers
        return self._match(root, Matching(), makers)

    def explain(self, root: Node) -> str | None:
        """Why the rule does not fire at `root`: the reason of the deepest failed match. None where it does fire."""
        if root.op.name not in self.roots:
            return f"{root.op.name} is not {' or '.join(self.roots)}"
        m = Matching(explaining=True)
        return None if self._match(root, m, None) else m.reason

    def build(self, b: Builder, match: Match) -> tuple[Value, ...]:
        """The replacement for the root's results, built with `b`."""
        made = self.replace(b, match.root, match.captured)
        return tuple(made) if isinstance(made, Sequence) else (made,)

    def _match(self, root: Node, m: Matching, makers: frozenset[str] | None) -> Match | None:
        for pattern in self.roots.get(root.op.name, ()):
            if makers is not None and any(need.isdisjoint(makers) for need in pattern.needs):
                continue
            if pattern.admit_node(root, m, lambda: self._accept(root, m)):
                captured = {name: m.captured.get(name) for name in self.variables}
                return Match(root, tuple(dict.fromkeys(m.nodes)), captured)
        return None

    def _accept(self, root: Node, m: Matching) -> bool:
        if not self.shared and (leak := _used_elsewhere(m.nodes)) is not None:
            return _refuse(m, f"{leak!r} is used elsewhere too")
        if self.where is None:
            return True
        captured = {name: m.captured.get(name) for name in self.variables}
        try:
            answer = self.where(root, captured)
        except Exception as error:
            reason = f"rule {self.name!r} cannot tell whether its condition holds: {reason_of(error)}"
            raise PassError(reason, where=place(root)) from error
        if answer is None or (answer and not isinstance(answer, str)):
            return True
        return _refuse(m, answer or "its condition does not hold")

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Rule({self.name!r}, {self.exactness.value})"


def rule(
    name: str,
    exactness: Exactness,
    *,
    match: Callable[..., Any],
    replace: Callable[..., Any],
    where: Callable[..., bool | str | None] | None = None,
    shared: bool = False,
) -> Rule:
    """A rule: `match(b, *variables)` is the pattern, `replace(b, ...)` builds what comes in its place.

    `replace` and `where` take captured variables, or `root` (the matched node), by their parameters' names. `where`
    accepts with None or True and refuses with a reason. Nodes inside the match must have no uses outside, unless
    `shared`. Raises RuleError for a pattern that says too little or names what does not exist.
    """
    variables = tuple(inspect.signature(match).parameters)[1:]
    try:
        pattern = as_pattern(match(PatternBuilder(), *map(Var, variables)))
        roots = roots_of(pattern)
        _check_used(variables, pattern)
        asked = _parameters(replace, variables, skip=1)
        condition = None if where is None else _condition(where, _parameters(where, variables))
    except RuleError as error:
        raise RuleError(error.reason, where=f"rule {name!r}", hint=error.hint) from error

    def build(b: Builder, root: Node, captured: Mapping[str, Any]) -> Value | Sequence[Value]:
        made: Value | Sequence[Value] = replace(b, *(_answer(each, root, captured) for each in asked))
        return made

    return Rule(name, exactness, roots, build, condition, shared, variables)


def roots_of(pattern: Pattern) -> dict[str, tuple[OpPattern, ...]]:
    """The alternatives of a rule's whole pattern, by the op of their root. RuleError where one is no op."""
    roots: dict[str, tuple[OpPattern, ...]] = {}
    for option in pattern.options if isinstance(pattern, AnyOf) else (pattern,):
        if not isinstance(option, OpPattern):
            raise RuleError("a pattern must be an op, or several alternatives")
        roots[option.op.name] = (*roots.get(option.op.name, ()), option)
    return roots


def place(node: Node) -> str:
    """Where a rule went wrong, for errors: the node, and where in the source model it comes from."""
    return f"{node!r}" + (f" ({node.loc})" if node.loc else "")


def reason_of(error: Exception) -> str:
    """What a rule's own function failed with: isthmus' errors speak for themselves, Python's need their class."""
    return error.reason if isinstance(error, IsthmusError) else f"{type(error).__name__}: {error}"


def _check_used(variables: Sequence[str], pattern: Pattern) -> None:
    used = set(pattern.variables())
    if unused := [name for name in variables if name not in used]:
        hint = "use it as an operand or an attribute, or leave it out of match's parameters"
        raise RuleError(f"the pattern never uses {unused[0]!r}", hint=hint)


def _condition(where: Callable[..., bool | str | None], asked: Sequence[str]) -> Condition:
    return lambda root, captured: where(*(_answer(name, root, captured) for name in asked))


def _answer(name: str, root: Node, captured: Mapping[str, Any]) -> Any:
    return root if name == "root" else captured[name]


def makers_of(node: Node) -> frozenset[str]:
    """Names of the ops that make a node's operands."""
    return frozenset(v.node.op.name for v in node.operands if v is not None and v.node is not None)


def _refuse(m: Matching, reason: str) -> bool:
    """Fail a match that is complete: no other reason goes deeper."""
    m.explaining, m.reason = False, reason if m.explaining else m.reason
    return False


def _parameters(function: Callable[..., Any], variables: Sequence[str], skip: int = 0) -> tuple[str, ...]:
    names = tuple(inspect.signature(function).parameters)[skip:]
    known = {*variables, "root"}
    if unknown := [n for n in names if n not in known]:
        raise RuleError(f"{unknown[0]!r} is not captured by the pattern", hint=f"it captures: {', '.join(variables)}")
    return names


def _used_elsewhere(nodes: Sequence[Node]) -> Value | None:
    """A value inside the match that something outside uses. The root comes first and may be used by anybody."""
    inside = set(nodes)
    for node in nodes[1:]:
        for result in node.results:
            for use in result._uses:
                if isinstance(use.user, Graph) or use.user not in inside:
                    return result
    return None
