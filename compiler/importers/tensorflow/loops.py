"""Loops as nodes: the body is read until it is known what each loop variable is, then written down once.

A variable that never changes is captured; one that counts up is computed from the iteration; a list that gets one
element in each iteration is a scanned output; any other list is a tensor that the loop carries. A loop whose number of
iterations depends on nothing but input shapes becomes a `scan`, any other one a `loop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from isthmus.compiler.importers.tensorflow.branches import truth
from isthmus.compiler.importers.tensorflow.lists import buffered, count_of_list, is_empty
from isthmus.compiler.importers.tensorflow.loop_nodes import SettledLoop
from isthmus.compiler.importers.tensorflow.loop_roles import Carried, Fixed, Listed, Reading, Role, first_role
from isthmus.compiler.importers.tensorflow.operands import (
    KINDS,
    ListOrigin,
    LoopList,
    Operand,
    Poison,
    ReservedList,
    TensorList,
)
from isthmus.compiler.importers.tensorflow.scope import Scope
from isthmus.compiler.importers.tensorflow.trips import Count, count_of, trip_count
from isthmus.ir.dim import Dim, equal
from isthmus.ir.errors import UnsupportedModel
from isthmus.ir.graph import Value
from isthmus.ir.types import I64, TensorType

_MOST_READINGS = 12


class LoopSource(Protocol):
    """A loop as its format writes it."""

    @property
    def start(self) -> Sequence[Operand]:
        """The variables before the first iteration."""

    def unchanged(self) -> Sequence[bool]:
        """Which variables the body passes on as they are."""

    def condition(self, scope: Scope, variables: Sequence[Operand]) -> Operand:
        """Whether to go on, read into a scope."""

    def body(self, scope: Scope, variables: Sequence[Operand]) -> Sequence[Operand]:
        """The variables after one iteration, read into a scope."""


def run(scope: Scope, source: LoopSource) -> tuple[Operand, ...]:
    """The variables after the last iteration."""
    if poisons := [x for x in source.start if isinstance(x, Poison)]:
        return tuple(poisons[0] for _ in source.start)
    return _Raising(scope, source).results()


class _Raising:
    """Works out the roles of one loop's variables and builds its node."""

    def __init__(self, scope: Scope, source: LoopSource) -> None:
        self._scope = scope
        self._source = source
        self._loc = scope.builder.loc
        self._start: list[Operand] = [scope.admit(x) for x in source.start]
        fixed = source.unchanged()
        self._roles: list[Role] = [first_role(x, f) for x, f in zip(self._start, fixed, strict=True)]
        self._counts: dict[int, Count] = {}
        """The variables that count, also where they must be carried."""
        self._trips: Dim | None = None

    def results(self) -> tuple[Operand, ...]:
        """Find what counts, then read until all roles hold, then build."""
        reading = self._read()
        if poisons := [x for x in reading.outputs if isinstance(x, Poison)]:
            return tuple(poisons[0] for _ in self._start)
        self._find_counts(reading)
        self._trips = self._count_trips()
        if self._trips == 0:
            return tuple(self._start)
        if self._trips is None:
            self._roles = [Carried(r.type) if isinstance(r, Count) else r for r in self._roles]
        for _ in range(_MOST_READINGS):
            reading = self._read()
            before = list(self._roles)
            self._roles = [self._settled(i, reading, after) for i, after in enumerate(reading.outputs)]
            if self._roles == before:
                settled = SettledLoop(self._scope, self._start, self._roles, reading)
                with self._scope.builder.at(self._loc):
                    return settled.looped(self._condition) if self._trips is None else settled.scanned(self._trips)
        raise UnsupportedModel("what the loop carries does not come to rest")

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read(self) -> Reading:
        inner = self._scope.body("body")
        reading = Reading(inner, inner.graph.add_input(TensorType(I64, ()), "i"))
        for i, (role, start) in enumerate(zip(self._roles, self._start, strict=True)):
            reading.inputs.append(self._inside(i, role, start, reading))
        reading.outputs = [inner.admit(x) for x in self._source.body(inner, reading.inputs)]
        return reading

    def _inside(self, index: int, role: Role, start: Operand, reading: Reading) -> Operand:
        inner = reading.scope
        match role:
            case Count():
                return role.at(inner.builder, reading.counter)
            case Carried():
                reading.carried[index] = value = inner.graph.add_input(role.type, f"v{index}")
                return value if isinstance(start, Value) else TensorList(value)
            case Listed():
                assert isinstance(start, ReservedList | TensorList)
                return LoopList(ListOrigin(inner.admit(start)))
        return inner.admit(start)

    def _find_counts(self, reading: Reading) -> None:
        for i, after in enumerate(reading.outputs):
            start, given = self._start[i], reading.inputs[i]
            if i in reading.carried and all(isinstance(x, Value) for x in (start, given, after)):
                count = count_of(reading.scope.builder, start, given, after)  # type: ignore[arg-type]
                if count is not None:
                    self._roles[i] = self._counts[i] = count

    def _count_trips(self) -> Dim | None:
        inner = self._scope.body("condition")
        counts: dict[Value, Count] = {}
        variables: list[Operand] = []
        for role, start in zip(self._roles, self._start, strict=True):
            match role:
                case Count() | Carried():
                    made = inner.graph.add_input(role.type)
                    variables.append(made)
                    if isinstance(role, Count):
                        counts[made] = role
                case Listed():
                    assert isinstance(start, ReservedList | TensorList)
                    variables.append(LoopList(ListOrigin(inner.admit(start))))
                case _:
                    variables.append(inner.admit(start))
        return trip_count(inner.builder, inner.admit(self._condition(inner, variables)), counts)

    def _condition(self, scope: Scope, variables: Sequence[Operand]) -> Value:
        found = self._source.condition(scope, variables)
        if isinstance(found, Poison):
            raise found.error()
        if not isinstance(found, Value):
            raise UnsupportedModel(f"the condition is {KINDS[type(found)]}")
        return truth(scope, scope.admit(found))

    # -- roles -----------------------------------------------------------------------------------------------------

    def _settled(self, i: int, reading: Reading, after: Operand) -> Role:
        """The role this reading shows for variable number i."""
        role, start = self._roles[i], self._start[i]
        if isinstance(role, Fixed | Count):
            return role
        if isinstance(role, Listed):
            return self._settled_list(i, reading, after)
        if isinstance(after, TensorList) and not isinstance(start, Value):
            after, start = after.buffer, self._buffer_of(start)
        if not isinstance(after, Value) or not isinstance(start, Value):
            raise UnsupportedModel(f"a loop variable becomes {KINDS[type(after)]}, which is not supported")
        before = role.type
        if before.dtype != after.dtype or before.rank != after.rank:
            raise UnsupportedModel(f"a loop variable changes from {before} to {after.type}")
        fresh = self._scope.builder.fresh
        sizes = zip(before.shape, after.shape, start.shape, strict=True)
        return Carried(before.with_shape(fresh.take() if d != e and d == f else d for d, e, f in sizes))

    def _settled_list(self, i: int, reading: Reading, after: Operand) -> Role:
        given, start = reading.inputs[i], self._start[i]
        if after is given:
            return Fixed()
        if not isinstance(after, LoopList) or not isinstance(given, LoopList) or after.origin is not given.origin:
            raise UnsupportedModel("a loop replaces a list it carries")
        if not given.origin.reads and self._is_in_order(reading, after):
            return Listed()
        item = after.written[0][1] if after.written else after.pushed[0]
        assert isinstance(start, ReservedList | TensorList)
        size = count_of_list(self._scope.builder, start)
        if after.grows and (size is None or equal(size, 0) is not False):
            raise UnsupportedModel("a loop makes a list longer in other ways than by element i in iteration i")
        with self._scope.builder.at(self._loc):
            self._start[i] = made = buffered(self._scope, start, item.type)
        return Carried(made.buffer.type)

    def _buffer_of(self, start: Operand) -> Value:
        assert isinstance(start, TensorList)
        return start.buffer

    def _is_in_order(self, reading: Reading, after: LoopList) -> bool:
        """Whether iteration i adds element i, and nothing else happens to the list."""
        start = after.origin.start
        if is_empty(start):
            return len(after.pushed) == 1 and not after.written
        if len(after.written) != 1 or after.pushed:
            return False
        size = count_of_list(self._scope.builder, start)
        fits = self._trips is not None and size is not None and equal(size, self._trips) is True
        if not fits and not (after.grows and size == 0):
            return False
        index = after.written[0][0]
        return any(
            given is index and i in self._counts and self._counts[i].start == 0 and self._counts[i].step == 1
            for i, given in enumerate(reading.inputs)
        )
