"""Patterns: what a piece of a graph must look like, written as builder calls over captured values.

    b.transpose(b.transpose(x, perm=p), perm=q)

is a pattern when `b` is a `PatternBuilder` and x, p, q are `Var`s. As an operand a variable captures a value, as an
attribute it captures the attribute; met twice, both must be the same. `*xs` captures the operands that are left as a
tuple, `**k` the attributes that are not mentioned as a dict. An attribute that is not mentioned has its default; an
operand that is not mentioned is absent. A pattern used twice stands for one value with two uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from isthmus.ir.errors import RuleError
from isthmus.ir.graph import Node, Value
from isthmus.ir.op import Op, Trait
from isthmus.passes.matching import Matching, Then


class Pattern:
    """Something that admits certain values."""

    def admit(self, value: Value | None, m: Matching, then: Then) -> bool:
        """Match `value` (None: the operand is absent), then the rest."""
        raise NotImplementedError

    def variables(self) -> Iterator[str]:
        """The names it may capture."""
        return iter(())

    def producers(self) -> frozenset[str] | None:
        """The ops one of which must make the value; None where anything may."""
        return None


class Var(Pattern):
    """A name for whatever stands there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def admit(self, value: Value | None, m: Matching, then: Then) -> bool:
        """Any value that is present."""
        if value is None:
            return m.no(lambda: f"operand {self.name} is absent")
        return m.capture(self.name, value, then)

    def variables(self) -> Iterator[str]:
        """Its own name."""
        yield self.name

    def keys(self) -> tuple[str]:
        """Lets `**k` stand in a pattern for the attributes that are not mentioned."""
        return ("**",)

    def __getitem__(self, key: str) -> Var:
        return self

    def __iter__(self) -> Iterator[Rest]:
        """Lets `*xs` stand in a pattern for the operands that are left."""
        yield Rest(self)


class Rest(Pattern):
    """All operands that are left, as a tuple."""

    def __init__(self, var: Var) -> None:
        self.name = var.name

    def variables(self) -> Iterator[str]:
        """The name of the tuple."""
        yield self.name


class Number(Pattern):
    """A constant all of whose elements are one number, after rounding to its element type; 0.0 is not -0.0."""

    def __init__(self, number: float) -> None:
        self.number = number

    def admit(self, value: Value | None, m: Matching, then: Then) -> bool:
        """Constants of that number; looks at one element before it looks at all."""
        array = None if value is None else value.array
        if array is None or value is None:
            return m.no(lambda: f"{value!r} is not the constant {self.number}")
        if not self._fits(value) or not array.size:
            return m.no(lambda: f"{value!r} cannot be {self.number}")
        wanted = np.array(self.number).astype(array.dtype)
        if not (_alike(array.flat[0], wanted) and _alike(array, wanted)):
            return m.no(lambda: f"{value!r} is not {self.number} everywhere")
        return then()

    def _fits(self, value: Value) -> bool:
        if isinstance(self.number, bool) or value.dtype.name == "bool":
            return isinstance(self.number, bool) and value.dtype.name == "bool"
        if value.dtype.is_float:
            return True
        bits, signed = value.dtype.bits, value.dtype.kind == "int"
        low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
        return float(self.number).is_integer() and low <= self.number < high

    def producers(self) -> frozenset[str]:
        """Constants."""
        return frozenset(("const",))


class Const(Pattern):
    """A value that a `const` node makes."""

    def __init__(self, var: Var) -> None:
        self.var = var

    def admit(self, value: Value | None, m: Matching, then: Then) -> bool:
        """Constants."""
        if value is None or value.constant is None:
            return m.no(lambda: f"{self.var.name} = {value!r} is not constant")
        return m.capture(self.var.name, value, then)

    def variables(self) -> Iterator[str]:
        """The name of the value."""
        yield self.var.name

    def producers(self) -> frozenset[str]:
        """Constants."""
        return frozenset(("const",))


class Maybe(Pattern):
    """An operand that may be absent: its variables are then None."""

    def __init__(self, inner: Pattern) -> None:
        self.inner = inner

    def admit(self, value: Value | None, m: Matching, then: Then) -> bool:
        """What the inner pattern admits, or nothing."""
        if value is not None:
            return self.inner.admit(value, m, then)
        missing = [name for name in self.inner.variables() if name not in m.captured]
        m.captured.update(dict.fromkeys(missing))
        if then():
            return True
        for name in missing:
            del m.captured[name]
        return False

    def variables(self) -> Iterator[str]:
        """Those of the inner pattern."""
        return self.inner.variables()


class AnyOf(Pattern):
    """The first of several patterns that lets the whole match succeed."""

    def __init__(self, options: Sequence[Pattern]) -> None:
        self.options = tuple(options)

    def admit(self, value: Value | None, m: Matching, then: Then) -> bool:
        """What any option admits."""
        return any(option.admit(value, m, then) for option in self.options)

    def variables(self) -> Iterator[str]:
        """Those of all options; what the matching option does not capture is None."""
        for option in self.options:
            yield from option.variables()

    def producers(self) -> frozenset[str] | None:
        """Those of all options."""
        found = [option.producers() for option in self.options]
        return None if None in found else frozenset().union(*(f for f in found if f is not None))


class OpPattern(Pattern):
    """A node of one op with patterns for its operands and attributes."""

    def __init__(self, op: Op, operands: Sequence[Pattern | None], attrs: Mapping[str, Any], rest: Var | None) -> None:
        self.op = op
        self.operands = tuple(operands)
        self.attrs = attrs
        self.rest = rest
        self.index = 0
        self.node: OpPattern = self
        """The pattern that stands for the whole node, of which this is one result."""
        expected = {} if rest is not None else {a.name: a.default for a in op.attributes.values()}
        self._literals = {n: v for n, v in {**expected, **attrs}.items() if not isinstance(v, Var)}
        found = (p.producers() for p in self.operands if p is not None)
        self.needs = tuple(f for f in found if f is not None)
        """For each operand that says so: the ops one of which must make it, or the other one where they may swap."""
        self._swaps = op.has(Trait.COMMUTATIVE)
        self._variadic = bool(operands) and isinstance(operands[-1], Rest)

    def __getitem__(self, index: int) -> OpPattern:
        """Result `index` of an op with several."""
        if not self.op.several:
            raise RuleError(f"{self.op.name} has one result, which is the pattern itself")
        twin = OpPattern(self.op, self.operands, self.attrs, self.rest)
        twin.index, twin.node = index, self.node
        return twin

    def admit(self, value: Value | None, m: Matching, then: Then) -> bool:
        """Values that such a node makes."""
        node = None if value is None else value.node
        if (known := m.met(self.node)) not in (None, node):
            return m.no(lambda: f"{value!r} should be made by {known!r} again")
        if node is None or node.op is not self.op:
            return m.no(lambda: f"{value!r} is not made by {self.op.name}")
        assert value is not None
        if value.index != self.index:
            return m.no(lambda: f"{value!r} is not result {self.index} of {self.op.name}")
        return then() if known is not None else self.admit_node(node, m, then)

    def admit_node(self, node: Node, m: Matching, then: Then) -> bool:
        """Match a node of this op, whichever its result."""
        return m.enter(self.node, node, lambda: self._attributes(node, m, lambda: self._operands(node, m, then)))

    def _attributes(self, node: Node, m: Matching, then: Then) -> bool:
        captures = [(v.name, node.attrs[name]) for name, v in self.attrs.items() if isinstance(v, Var)]
        if self.rest is not None:
            captures.append((self.rest.name, {n: v for n, v in node.attrs.items() if n not in self.attrs}))
        for name, wanted in self._literals.items():
            if node.attrs[name] != wanted:
                return m.no(partial(_unlike, node, name, wanted))
        return _capture_all(captures, m, then)

    def _operands(self, node: Node, m: Matching, then: Then) -> bool:
        given = node.operands
        if self._swaps:
            x, y = given
            return self._each((x, y), m, then) or self._each((y, x), m, then)
        return self._each(given, m, then)

    def _each(self, given: Sequence[Value | None], m: Matching, then: Then) -> bool:
        fixed = self.operands[:-1] if self._variadic else self.operands
        if self._variadic:
            last = self.operands[-1]
            assert isinstance(last, Rest)
            then = partial(m.capture, last.name, tuple(given[len(fixed) :]), then)
        elif any(v is not None for v in given[len(fixed) :]):
            return m.no(lambda: f"{self.op.name} has {len(given)} operands, not {len(fixed)}")
        return _admit_all(fixed, given, 0, m, then)

    def variables(self) -> Iterator[str]:
        """Those of operands and attributes."""
        for operand in self.operands:
            if operand is not None:
                yield from operand.variables()
        yield from (v.name for v in self.attrs.values() if isinstance(v, Var))
        if self.rest is not None:
            yield self.rest.name

    def producers(self) -> frozenset[str]:
        """Its op."""
        return frozenset((self.op.name,))


def _admit_all(
    patterns: Sequence[Pattern | None], values: Sequence[Value | None], i: int, m: Matching, then: Then
) -> bool:
    if i == len(patterns):
        return then()
    pattern, value = patterns[i], values[i] if i < len(values) else None
    if pattern is not None:
        return pattern.admit(value, m, lambda: _admit_all(patterns, values, i + 1, m, then))
    if value is not None:
        return m.no(lambda: f"{value!r} should be absent")
    return _admit_all(patterns, values, i + 1, m, then)


def _capture_all(variables: list[tuple[str, Any]], m: Matching, then: Then) -> bool:
    if not variables:
        return then()
    (name, found), *others = variables
    return m.capture(name, found, lambda: _capture_all(others, m, then))


def _unlike(node: Node, name: str, wanted: Any) -> str:
    return f"{node.op.name} has {name} = {node.attrs[name]}, not {wanted}"


def _alike(found: Any, wanted: Any) -> bool:
    """Equal everywhere, NaN to NaN and zeros with their signs."""
    if wanted.dtype.kind in "iub":
        return bool(np.all(found == wanted))
    if np.isnan(wanted):
        return bool(np.all(np.isnan(found)))
    return bool(np.all(found == wanted)) and (wanted != 0 or bool(np.all(np.signbit(found) == np.signbit(wanted))))
