"""Expressions in the text of rules: checked when the text is read, worked out where the rule matches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias, get_type_hints

from lark import Token

from isthmus.ir.errors import IsthmusError, TextError
from isthmus.ir.graph import Value
from isthmus.ir.source import Source
from isthmus.ir.spelling import WORDS, unmarked, unquote
from isthmus.ir.types import DTYPES
from isthmus.passes.rule_functions import FUNCTIONS, RELATIONS, arithmetic
from isthmus.passes.rule_syntax import Call, Condition, Expression, Indexed, Items, Operation, Signed, first_token

Env: TypeAlias = Mapping[str, Any]
"""What names stand for where a rule matches: attributes as they are written, values with their mark."""
Term: TypeAlias = Callable[[Env], Any]
FAILURES = (IsthmusError, TypeError, ValueError, LookupError, ArithmeticError)
"""What working out an expression may raise."""


class Expressions:
    """Reads the expressions of one text."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def error(self, at: Token, reason: str, hint: str = "") -> TextError:
        """A TextError that points at a token."""
        return self._source.error(at.start_pos or 0, reason, hint)

    def name(self, token: Token) -> str:
        """A value's name with its mark, without quotes."""
        try:
            return f"%{unmarked(token)}"
        except ValueError:
            raise self.error(token, "broken escape in a quoted name", "escapes are those of JSON") from None

    def text(self, token: Token) -> str:
        """What a quoted token says."""
        try:
            return unquote(token)
        except ValueError:
            raise self.error(token, "broken escape in quoted text", "escapes are those of JSON") from None

    def literal(self, tree: Expression) -> Any:
        """What an expression without captures is worth."""
        try:
            return self.term(tree, ())({})
        except FAILURES as error:
            if isinstance(error, TextError):
                raise
            raise self.error(first_token(tree), told(error)) from None

    def term(self, tree: Expression, known: Collection[str]) -> Term:
        """How to work out an expression over the `known` names."""
        if isinstance(tree, Token):
            return self._leaf(tree, known)
        if isinstance(tree, Items):
            items = [self.term(each, known) for each in tree.items]
            return lambda env: tuple([item(env) for item in items])
        if isinstance(tree, Call):
            return self._call(tree, known)
        if isinstance(tree, Indexed):
            whole, *indices = (self.term(each, known) for each in (tree.whole, *tree.indices))
            return lambda env: _item(whole(env), [index(env) for index in indices])
        if isinstance(tree, Signed):
            operand = self.term(tree.operand, known)
            return lambda env: arithmetic("*", -1 if tree.sign == "-" else 1, operand(env))
        return self._operation(tree, known)

    def condition(self, tree: Condition, known: Collection[str]) -> Callable[[Env], str | None]:
        """What says None, or how the condition fails."""
        left = self.term(tree.left, known)
        if tree.relation is None or tree.right is None:
            return _expectation(left, tree.negated is None)
        right, holds = self.term(tree.right, known), RELATIONS.get(tree.relation)
        if holds is None or tree.negated is not None:
            raise self.error(tree.negated or tree.relation, "a condition is [not] a, a == b, != < <= > >= or in [...]")

        def failure(env: Env) -> str | None:
            a, b = left(env), right(env)
            return None if holds(a, b) else f"{_spelled(a)} {tree.relation} {_spelled(b)} does not hold"

        return failure

    def unknown(self, token: Token, name: str, known: Collection[str], hint: str = "") -> TextError:
        """The error for a name that stands for nothing."""
        near = get_close_matches(name, sorted(known), n=1)
        help = hint or (f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known)) or 'none'}")
        return self.error(token, f"{token} is not captured", help)

    def _leaf(self, token: Token, known: Collection[str]) -> Term:
        if token.type == "VALUE":
            raise self.error(token, f"{token} is a value of the graph", f"ask about it: shape({token}), ...")
        name, value = str(token), self._fixed(token)
        if token.type != "NAME" or is_word(token):
            return lambda env: value
        if name not in known:
            raise self.unknown(token, name, [each for each in known if not each.startswith("%")])
        return lambda env: env[name]

    def _fixed(self, token: Token) -> Any:
        if token.type == "STRING":
            return self.text(token)
        if token.type == "INT" and (len(token) > 20 or int(token) >= 1 << 63):
            raise self.error(token, "a number has more than 64 bits")
        if token.type in ("INT", "FLOAT"):
            return int(token) if token.type == "INT" else float(token)
        return WORDS[token] if token in WORDS else DTYPES.get(token)

    def _call(self, tree: Call, known: Collection[str]) -> Term:
        function = FUNCTIONS.get(tree.name)
        if function is None:
            near = get_close_matches(tree.name, FUNCTIONS, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(FUNCTIONS)}"
            raise self.error(tree.name, f"no function is called {str(tree.name)!r}", hint)
        asks = _asks_values(function, len(tree.args))
        if len(tree.args) != len(asks):
            raise self.error(tree.name, f"{tree.name} takes {len(asks)} arguments, not {len(tree.args)}")
        args = [
            self._value(each, tree.name, known) if value else self.term(each, known)
            for value, each in zip(asks, tree.args, strict=True)
        ]
        return lambda env: function(*[arg(env) for arg in args])

    def _value(self, tree: Expression, function: Token, known: Collection[str]) -> Term:
        if not isinstance(tree, Token) or tree.type != "VALUE":
            raise self.error(first_token(tree), f"{function} asks about a value of the graph, such as %x")
        name = self.name(tree)
        if name not in known:
            raise self.unknown(tree, name, [each for each in known if each.startswith("%")])

        def found(env: Env) -> Value:
            value = env[name]
            if not isinstance(value, Value):
                raise ValueError(f"{name} is absent" if value is None else f"{name} is not one value")
            return value

        return found

    def _operation(self, tree: Operation, known: Collection[str]) -> Term:
        first, *others = (self.term(each, known) for each in tree.parts[::2])
        signs = [str(each) for each in tree.parts[1::2]]

        def total(env: Env) -> Any:
            found = first(env)
            for sign, other in zip(signs, others, strict=True):
                found = arithmetic(sign, found, other(env))
            return found

        return total


def told(error: Exception) -> str:
    """The reason of a failure."""
    return error.reason if isinstance(error, IsthmusError) else str(error)


def is_word(token: Token) -> bool:
    """Whether a bare name has a meaning of its own, and so captures nothing: true, none, f32, ..."""
    return token in WORDS or token in DTYPES


def is_literal(tree: Expression) -> bool:
    """Whether an expression captures nothing and asks about nothing."""
    if isinstance(tree, Token):
        return tree.type != "VALUE" and (tree.type != "NAME" or is_word(tree))
    parts = tree.args if isinstance(tree, Call) else tree
    return all(is_literal(each) for part in parts for each in (part if isinstance(part, list) else [part]))


def _asks_values(function: Callable[..., Any], count: int) -> tuple[bool, ...]:
    """For each of a call's `count` arguments whether it is a value of the graph, or an expression."""
    hints, parameters = get_type_hints(function), inspect.signature(function).parameters
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters.values()):
        return (False,) * max(count, 1)
    return tuple(hints[name] is Value for name in parameters)


def _expectation(term: Term, wanted: bool) -> Callable[[Env], str | None]:
    def failure(env: Env) -> str | None:
        found = term(env)
        if not isinstance(found, bool):
            raise TypeError(f"{_spelled(found)} is neither true nor false")
        return None if found is wanted else f"it is {str(found).lower()}"

    return failure


def _item(whole: Any, indices: Sequence[Any]) -> Any:
    for index in indices:
        if not isinstance(whole, tuple) or type(index) is not int:
            raise TypeError(f"{_spelled(whole)} has no item {_spelled(index)}")
        whole = whole[index]
    return whole


def _spelled(value: Any) -> str:
    return f"[{', '.join(map(_spelled, value))}]" if isinstance(value, tuple) else str(value)
